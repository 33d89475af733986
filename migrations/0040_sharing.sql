-- Sharing of collections beyond single grants, which stand in grant_out and grant_in.

-- Global and small: what is shared with everybody of a mail domain. What a reader chose for themselves (name, colour, hidden)
-- stands in their grant_in row, whose rights are 0 then.
create table domain_grant (
    domain_id    bigint not null references mail_domain on delete cascade,
    owner_id     bigint not null references account on delete cascade,
    kind         text not null check (kind in ('folder', 'collection')),
    object_id    bigint not null,
    rights       integer not null,
    created_at   timestamptz not null default now(),
    primary key (domain_id, owner_id, kind, object_id)
);
create index domain_grant_owner on domain_grant (owner_id, kind, object_id);

-- Global: links that show a collection to whoever has them. hash: SHA-256 of the link's token; the token is shown once.
-- rights: free-busy only, or reading.
create table secret_link (
    hash           bytea primary key,
    account_id     bigint not null references account on delete cascade,
    collection_id  bigint not null,
    name           text not null default '',
    rights         integer not null,
    created_at     timestamptz not null default now(),
    used_at        timestamptz
);
create index secret_link_account on secret_link (account_id, collection_id);
