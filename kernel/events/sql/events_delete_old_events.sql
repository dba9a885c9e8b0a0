-- Deletes a page of old events with their deliveries and attempts.
-- Takes: the moment before which they were written, how many at most. Returns: how many events were deleted. Locks: the rows that it
-- deletes. Runs with the rights of its owner, because the service's role may delete no row of a tenant. It never deletes an event that
-- isn't fanned out. A delivery that is still open after that time belongs to an endpoint that is disabled or deleted.
CREATE OR REPLACE FUNCTION events_delete_old_events(before timestamp with time zone, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    old uuid[];
BEGIN
    old := ARRAY(
        SELECT event.id FROM events_event event
        WHERE event.tenant_id IS NOT NULL AND event.id < events_new_id(before, 0) AND event.fanned_out_at IS NOT NULL
        ORDER BY event.id LIMIT at_most
    );
    DELETE FROM events_attempt attempt USING events_delivery sent
    WHERE sent.event_id = ANY (old) AND attempt.tenant_id = sent.tenant_id AND attempt.delivery_id = sent.id;
    DELETE FROM events_delivery sent WHERE sent.tenant_id IS NOT NULL AND sent.event_id = ANY (old);
    DELETE FROM events_event event WHERE event.tenant_id IS NOT NULL AND event.id = ANY (old);
    RETURN cardinality(old);
END
$$;
