-- One exchange at a time for a device and a collection, on whatever node (reference: two Syncs that interleave lose items).
-- turn_by is the exchange that has the turn until turn_until; a node that dies loses it then.
-- policy_offer is the key a device is to acknowledge its policy with; policy_key the one it then holds.
alter table device
    add column policy_offer bigint not null default 0;
alter table device_sync
    add column turn_by    bigint not null default 0,
    add column turn_until timestamptz;
