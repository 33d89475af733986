-- Senders of mail that an alias leads on to another host, and that do not fit into a return path of ours (format/srs.rs):
-- what is sent back names the number. Global: a stranger's address, of no account. used_at: when mail of theirs was led on last.
create table kept_sender (
    sender_id    bigint generated always as identity primary key,
    sender       text not null unique,
    used_at      timestamptz not null default now()
);
create index kept_sender_used on kept_sender (used_at);
