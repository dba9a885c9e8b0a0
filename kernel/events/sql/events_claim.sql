-- Leases deliveries that are due to one worker.
-- Takes: how many at most, how many an endpoint may have in flight, the endpoint after which to begin (null: the first), how long a lease
-- lasts, and after which time an ordered endpoint stops waiting for a failing delivery.
-- Returns: the ids of the leased deliveries with their endpoints, in the order of endpoints. Each endpoint gets an equal share, so that a
-- slow one can't take all of the worker. A worker begins its next call after the last endpoint of this one.
-- Locks: each endpoint's row, without waiting: what another worker is claiming is passed over. Then its deliveries, the same way.
-- Never: leases a delivery of an ordered endpoint while an earlier event of its account is open.
CREATE OR REPLACE FUNCTION events_claim(
    at_most integer, in_flight integer, after_endpoint uuid, lease interval, patience interval
) RETURNS TABLE (delivery_id uuid, tenant_id uuid, endpoint_id uuid) LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz;
    due record;
    slots integer;
    endpoints uuid[];
    target events_endpoint;
    claimed uuid[];
    remaining integer := at_most;
BEGIN
    moment := clock_timestamp();
    endpoints := events_due_endpoints(moment, after_endpoint, 1000);
    FOR due IN SELECT id, cardinality(endpoints) - ordinality AS later FROM unnest(endpoints) WITH ORDINALITY AS listed (id) LOOP
        SELECT * INTO target FROM events_endpoint endpoint
        WHERE endpoint.tenant_id IS NOT NULL AND endpoint.id = due.id AND endpoint.status = 'enabled'
            AND coalesce(endpoint.not_before, moment) <= moment
        FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        -- A request takes 15 seconds at most (http_sending.py). An older lease belongs to a worker that was killed: it is no request.
        SELECT in_flight - count(*) INTO slots FROM events_delivery sent
        WHERE sent.tenant_id = target.tenant_id AND sent.endpoint_id = target.id AND sent.state = 'leased'
            AND sent.next_at > moment + lease - interval '20 seconds';
        slots := least(slots, greatest(1, remaining / (due.later + 1)));
        CONTINUE WHEN slots <= 0;
        IF target.ordering = 'account' THEN
            PERFORM events_release_by_age(target.tenant_id, target.id, moment - patience);
        END IF;
        claimed := events_choose_deliveries(target, moment, slots);
        UPDATE events_delivery chosen
        SET state = 'leased', attempts = chosen.attempts + 1, next_at = moment + lease,
            first_attempt_at = coalesce(chosen.first_attempt_at, moment)
        WHERE chosen.tenant_id = target.tenant_id AND chosen.id = ANY (claimed);
        RETURN QUERY SELECT id, target.tenant_id, target.id FROM unnest(claimed) AS id;
        remaining := remaining - cardinality(claimed);
        EXIT WHEN remaining <= 0;
    END LOOP;
END
$$;
