-- Who listens to a tenant's events: the patterns of its endpoints. Every posting asks this before it does anything else for events.
-- Takes: a tenant; the request id of the posting. Returns: the patterns; null where nobody listens, and for the postings of a backfill, and
-- of its undoing, that was not planned with --with-events. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION events_wanted_patterns(tenant uuid, request text) RETURNS text[] LANGUAGE plpgsql STABLE
AS $$
DECLARE
    found text[];
BEGIN
    SELECT listener.patterns INTO found FROM events_listener listener WHERE listener.tenant_id = tenant;
    IF found IS NOT NULL AND (request LIKE 'run:%' OR request LIKE 'undo:%') AND NOT EXISTS (
        SELECT FROM backfills_run run
        WHERE run.tenant_id = tenant AND run.id::text = split_part(request, ':', 2) AND run.options ->> 'with_events' = 'true'
    ) THEN
        RETURN NULL;
    END IF;
    RETURN found;
END
$$;
