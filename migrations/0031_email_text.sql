-- What IMAP SEARCH looks into: the whole header and text of a message, folded, so that BODY, TEXT and HEADER are answered by
-- looking for octets here and no message is decoded again. email.search_text stays what the pages search: bounded, and only
-- what a reader sees. header_text: one line a field, "name: value". sent_on: the day of the Date field in its own zone.
-- is_cut: the message is longer than what is kept, so what is not found here is looked for in the message itself.
-- Messages stored before have no row: they are looked into themselves.
create table email_text (
    account_id   bigint not null,
    email_id     bigint not null,
    header_text  text not null,
    body_text    text not null,
    sent_on      date not null,
    is_cut       boolean not null default false,
    primary key (account_id, email_id),
    foreign key (account_id, email_id) references email on delete cascade
);
alter table email_text alter column header_text set compression lz4;
alter table email_text alter column body_text set compression lz4;
