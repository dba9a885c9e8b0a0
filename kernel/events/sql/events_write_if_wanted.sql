-- Writes one event if anybody listens to its type: for callers that write few.
--
-- Takes: a tenant; the event's type, account, number, time and object (events_item).
-- Returns: whether it was written.
-- Locks: as events_insert.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION events_write_if_wanted(
    tenant uuid, type text, account text, sequence bigint, happened timestamp with time zone, object_id text, snapshot json
) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    item events_item;
BEGIN
    IF events_wanted(events_wanted_patterns(tenant, ''), type) IS NOT TRUE THEN
        RETURN false;
    END IF;
    item.type := type;
    item.account := account;
    item.sequence := sequence;
    item.happened := happened;
    item.object_id := object_id;
    item.snapshot := snapshot;
    PERFORM events_insert(tenant, ARRAY[item]);
    RETURN true;
END
$$;
