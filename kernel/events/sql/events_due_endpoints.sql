-- The endpoints that may be sent to and have a delivery due, in the order of their ids, beginning after one of them and going round.
-- Takes: the moment, the endpoint after which to begin (null: the first), how many at most. Returns: ids. Locks: nothing. Never: writes.
-- Goes from endpoint to endpoint through the index of open deliveries, so it reads one row for each, however many deliveries wait.
CREATE OR REPLACE FUNCTION events_due_endpoints(moment timestamp with time zone, after_endpoint uuid, at_most integer) RETURNS uuid[]
LANGUAGE sql STABLE
AS $$
    WITH RECURSIVE open (endpoint_id, next_at) AS (
        (SELECT first.endpoint_id, first.next_at FROM events_delivery first
         WHERE first.tenant_id IS NOT NULL AND first.state IN ('pending', 'leased', 'waiting')
         ORDER BY first.endpoint_id, first.next_at LIMIT 1)
        UNION ALL
        SELECT later.endpoint_id, later.next_at FROM open
        CROSS JOIN LATERAL (
            SELECT other.endpoint_id, other.next_at FROM events_delivery other
            WHERE other.tenant_id IS NOT NULL AND other.state IN ('pending', 'leased', 'waiting') AND other.endpoint_id > open.endpoint_id
            ORDER BY other.endpoint_id, other.next_at LIMIT 1
        ) later
    )
    SELECT coalesce(array_agg(due.endpoint_id ORDER BY due.is_earlier, due.endpoint_id), '{}')
    FROM (
        SELECT open.endpoint_id, after_endpoint IS NOT NULL AND open.endpoint_id <= after_endpoint AS is_earlier
        FROM open
        JOIN events_endpoint endpoint ON endpoint.tenant_id IS NOT NULL AND endpoint.id = open.endpoint_id
        WHERE open.next_at <= moment AND endpoint.status = 'enabled' AND coalesce(endpoint.not_before, moment) <= moment
        ORDER BY is_earlier, open.endpoint_id LIMIT at_most
    ) due
$$;
