-- Chooses the deliveries of one endpoint that are to be sent now, the longest due first: of an endpoint without order any, of an ordered
-- one those that wait for no other.
-- Takes: the endpoint, whose row the caller has locked; the moment; how many at most. Returns: ids.
-- Locks: the deliveries, without waiting. Never: chooses, for an ordered endpoint, a delivery of an account that waits for its turn.
-- The settings leave the planner only an index of due deliveries in its own order, so the search ends with the last one that is chosen,
-- however many wait.
CREATE OR REPLACE FUNCTION events_choose_deliveries(target events_endpoint, moment timestamp with time zone, slots integer) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    chosen uuid[];
BEGIN
    IF target.ordering = 'account' THEN
        SELECT array_agg(free.id ORDER BY free.next_at, free.id) INTO chosen FROM (
            SELECT due.id, due.next_at FROM events_delivery due
            WHERE due.tenant_id = target.tenant_id AND due.endpoint_id = target.id AND due.next_at <= moment
                AND due.state IN ('pending', 'leased', 'waiting') AND (due.account = '' OR due.released_by_age)
                -- A test is sent by the call that asks for it; one that is left over after a minute belongs to a process that ended.
                AND (due.origin <> 'test' OR due.next_at <= moment - interval '1 minute')
            ORDER BY due.next_at, due.id LIMIT slots
            FOR NO KEY UPDATE SKIP LOCKED
        ) free;
    ELSE
        SELECT array_agg(free.id ORDER BY free.next_at, free.id) INTO chosen FROM (
            SELECT due.id, due.next_at FROM events_delivery due
            WHERE due.tenant_id = target.tenant_id AND due.endpoint_id = target.id AND due.next_at <= moment
                AND due.state IN ('pending', 'leased', 'waiting')
                AND (due.origin <> 'test' OR due.next_at <= moment - interval '1 minute')
            ORDER BY due.next_at, due.id LIMIT slots
            FOR NO KEY UPDATE SKIP LOCKED
        ) free;
    END IF;
    RETURN coalesce(chosen, '{}');
END
$$;
