-- Chooses the deliveries of one endpoint that are to be sent now, the longest due first.
-- Takes: the endpoint, whose row the caller has locked; the moment; how many at most. Returns: ids.
-- Locks: the deliveries, without waiting. Never: chooses, for an ordered endpoint, a delivery whose account has an earlier event that is
-- open, or that isn't fanned out yet; or two of one account.
-- The settings leave the planner only the index of due deliveries in its own order, so the search ends with the last one that is chosen,
-- however many wait.
CREATE OR REPLACE FUNCTION events_choose_deliveries(target events_endpoint, moment timestamp with time zone, slots integer) RETURNS uuid[]
LANGUAGE sql VOLATILE
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
    SELECT coalesce(array_agg(chosen.id ORDER BY chosen.next_at, chosen.id), '{}')
    FROM (
        SELECT due.id, due.next_at FROM events_delivery due
        WHERE due.tenant_id = target.tenant_id AND due.endpoint_id = target.id AND due.next_at <= moment
            AND due.state IN ('pending', 'leased', 'waiting')
            -- A test is sent by the call that asks for it; one that is left over after a minute belongs to a process that ended.
            AND (due.origin <> 'test' OR due.next_at <= moment - interval '1 minute')
            AND (target.ordering = 'none' OR due.account = '' OR due.origin = 'test' OR NOT EXISTS (
                SELECT FROM events_delivery earlier
                WHERE earlier.tenant_id = target.tenant_id AND earlier.endpoint_id = target.id AND earlier.account = due.account
                    AND earlier.account <> '' AND NOT earlier.released_by_age AND earlier.state IN ('pending', 'leased', 'waiting')
                    AND (coalesce(earlier.sequence, 0), earlier.event_id, earlier.id) < (coalesce(due.sequence, 0), due.event_id, due.id)
            ) AND NOT EXISTS (
                SELECT FROM events_event earlier
                WHERE earlier.tenant_id = target.tenant_id AND earlier.account = due.account AND earlier.fanned_out_at IS NULL
                    AND (coalesce(earlier.sequence, 0), earlier.id) < (coalesce(due.sequence, 0), due.event_id)
            ))
        ORDER BY due.next_at, due.id
        LIMIT slots
        FOR NO KEY UPDATE SKIP LOCKED
    ) chosen
$$;
