-- A message that the program itself leads onwards (account_id is null) has a client_id too: the same data to the same
-- alias goes on once, however often its sender tries. Two nulls are the same nobody here.
create unique index outbound_client_once on outbound (account_id, client_id) nulls not distinct where client_id is not null;
drop index outbound_client;
alter index outbound_client_once rename to outbound_client;
