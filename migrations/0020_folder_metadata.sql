-- What clients note down about folders (RFC 5464); folder 0 is the account itself. name: an entry name in lower case.
create table folder_metadata (
    account_id   bigint not null,
    folder_id    bigint not null,
    name         text not null,
    value        bytea not null check (octet_length(value) <= 65536),
    primary key (account_id, folder_id, name)
);
