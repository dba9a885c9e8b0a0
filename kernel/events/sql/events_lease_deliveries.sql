-- Leases deliveries that are due to one worker, in batches: one delivery, or of an ordered endpoint several of one account, which the
-- worker sends one after another.
--
-- Takes: how many batches at most, how many an endpoint may have in flight, how many deliveries a batch may have, the endpoint after which
-- to begin (null: the first), for each ordered endpoint the account after which to begin ({} for all: the first), how long a lease lasts,
-- and after which time an ordered endpoint stops waiting for a failing delivery.
-- Returns: for each endpoint that was looked at, in their order, the leased deliveries in the order of sending, the last account that was
-- looked at, and the moment of the lease. Each endpoint gets an equal share, so that a slow one can't take all of the worker.
-- Locks: each endpoint's row, without waiting: what another worker is claiming is passed over. Then its deliveries, the same way.
-- Never: leases a delivery of an ordered endpoint while an earlier event of its account is open elsewhere.
CREATE OR REPLACE FUNCTION events_lease_deliveries(
    at_most integer, in_flight integer, length integer, after_endpoint uuid, after_accounts jsonb, lease interval, patience interval
) RETURNS TABLE (tenant_id uuid, endpoint_id uuid, deliveries uuid[], last_account text, moment timestamp with time zone) LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    due record;
    slots integer;
    endpoints uuid[];
    target events_endpoint;
    chosen record;
    free uuid[];
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
        -- As long as a lease runs, a request of it may be under way. One that is over belongs to a worker that was killed.
        SELECT in_flight - count(DISTINCT CASE
            WHEN target.ordering = 'account' AND sent.account <> '' AND NOT sent.released_by_age THEN sent.account ELSE sent.id::text
        END) INTO slots
        FROM events_delivery sent
        WHERE sent.tenant_id = target.tenant_id AND sent.endpoint_id = target.id AND sent.state = 'leased'
            AND sent.next_at > moment;
        slots := least(slots, greatest(1, remaining / (due.later + 1)));
        CONTINUE WHEN slots <= 0;
        free := events_choose_deliveries(target, moment, slots);
        SELECT '{}'::uuid[] AS deliveries, 0 AS batches, NULL::text AS last_account INTO chosen;
        IF target.ordering = 'account' AND cardinality(free) < slots THEN
            chosen := events_choose_batches(
                target, moment, slots - cardinality(free), length, after_accounts ->> target.id::text, patience
            );
        END IF;
        UPDATE events_delivery leased
        SET state = 'leased', attempts = leased.attempts + 1, next_at = moment + lease,
            first_attempt_at = coalesce(leased.first_attempt_at, moment)
        WHERE leased.tenant_id = target.tenant_id AND leased.id = ANY (free || chosen.deliveries);
        RETURN QUERY SELECT target.tenant_id, target.id, free || chosen.deliveries, chosen.last_account, moment;
        remaining := remaining - cardinality(free) - chosen.batches;
        EXIT WHEN remaining <= 0;
    END LOOP;
END
$$;
