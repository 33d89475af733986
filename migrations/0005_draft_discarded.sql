-- A discarded draft stays for some minutes, so that the discarding can be taken back.
alter table draft drop constraint draft_state_check;
alter table draft add constraint draft_state_check check (state in ('open', 'sending', 'discarded'));
