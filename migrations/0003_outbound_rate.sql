-- The sending limits (security.md 2) count an account's messages of the last minute, hour and day. Rows of the queue stay
-- for a while as the delivery log, so that count needs the time in its index.
create index outbound_rate on outbound (account_id, created_at) where account_id is not null;
create index outbound_age on outbound (created_at);
