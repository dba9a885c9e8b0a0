-- Writes the event that a hold was placed, captured, extended, released or expired.
--
-- Takes: a tenant, the request id of the call, the hold's id and customer, what happened, and the moment taken under the locks.
-- Returns: nothing.
-- Locks: as events_insert.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION credits_write_hold_event(
    tenant uuid, request text, hold uuid, customer text, what text, moment timestamp with time zone
) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    item events_item;
BEGIN
    item.type := 'credits.hold.' || what;
    IF events_wanted(events_wanted_patterns(tenant, request), item.type) IS NOT TRUE THEN
        RETURN;
    END IF;
    item.account := 'customer:' || customer;
    item.sequence := events_moment_number(moment);
    item.happened := moment;
    item.object_id := hold::text;
    item.snapshot := credits_hold_snapshot(tenant, hold);
    PERFORM events_insert(tenant, ARRAY[item]);
END
$$;
