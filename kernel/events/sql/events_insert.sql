-- Writes events in the transaction in which they happened.
-- Takes: a tenant, events in the order in which they happened. Returns: nothing.
-- Locks: the tenant's row, so that it stays (KEY SHARE, by the foreign key). Never: asks whether anybody listens; the caller has.
CREATE OR REPLACE FUNCTION events_insert(tenant uuid, items events_item[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz;
BEGIN
    moment := clock_timestamp();
    INSERT INTO events_event (tenant_id, id, type, account, sequence, object_id, occurred_at, created_at, snapshot)
    SELECT tenant, events_new_id(moment, item.ordinality - 1), item.type, coalesce(item.account, ''), item.sequence,
           coalesce(item.object_id, ''), item.happened, moment, item.snapshot
    FROM unnest(items) WITH ORDINALITY item;
END
$$;
