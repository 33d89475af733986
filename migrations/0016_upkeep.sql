-- When work that one node does for all was last done to its end: the nightly check. Global.
create table upkeep (
    name         text primary key,
    done_at      timestamptz not null
);
