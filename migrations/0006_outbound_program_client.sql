-- The program's own sendings (an alias that leads outside) have keys too, and no account: without this index a message whose
-- sender tries again is led on again.
create unique index outbound_program_client on outbound (client_id) where account_id is null and client_id is not null;
