-- Sizes are bigint everywhere, and a day is no instant: it is kept as days since 1970-01-01 in the sender's own zone.
alter table email alter column crlf_bytes type bigint;
alter table email_text add column sent_day integer;
update email_text set sent_day = sent_on - date '1970-01-01';
alter table email_text alter column sent_day set not null;
alter table email_text drop column sent_on;
