-- Open pages hear of a draft that another page saves, and of what becomes of a message that was sent: both rows bear the
-- account's change number, as everything else that an account owns. The index is of one account's few rows.
alter table draft add column modseq bigint not null default 0;
alter table outbound add column modseq bigint not null default 0;
create index draft_changed on draft (account_id, modseq);
create index outbound_changed on outbound (account_id, modseq) where account_id is not null;
