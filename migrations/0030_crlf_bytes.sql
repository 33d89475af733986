-- POP3 sends every message as lines that end in CRLF and must say beforehand how many octets that makes (RFC 1939 11).
-- Mail taken in by SMTP has such lines already; what a client stores by APPEND, or an import brings, may not. So delivery
-- counts once what is missing: one octet for every bare LF, and the CRLF behind a last line without one.
alter table email add column crlf_bytes integer not null default 0 check (crlf_bytes >= 0);
-- Almost no message has any, so the few are found without looking at the others.
create index email_crlf on email (account_id, email_id) where crlf_bytes > 0;
