-- Writes the events of transactions that were recorded or amended: their new status, costs that were recorded, costs that were superseded.
-- Takes: the tenant, the request id of the call, and what changed.
-- Returns: nothing. Locks: as events_insert; the caller has inserted or locked the transactions.
-- Never: writes where nobody listens. Callers ask first whether the tenant has a listener at all, so that a tenant without one pays one
-- look into an index.
CREATE OR REPLACE FUNCTION metering_write_events(tenant uuid, request text, changes metering_change[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    items events_item[];
BEGIN
    IF patterns IS NULL OR cardinality(changes) = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg((
            event.type, 'transaction:' || event.transaction_id, events_moment_number(event.moment), event.moment, event.object_id,
            event.snapshot
        )::events_item ORDER BY event.ordinality, event.ordinal, event.object_id) INTO items
    FROM (
        SELECT change.ordinality, change.transaction_id, change.moment, status.type, status.ordinal, stored.id::text AS object_id,
            metering_transaction_snapshot(stored) AS snapshot
        FROM unnest(changes) WITH ORDINALITY change
        JOIN metering_transaction stored ON stored.tenant_id = tenant AND stored.id = change.transaction_id
        CROSS JOIN LATERAL (VALUES
            (0, 'metering.transaction.'
                || CASE WHEN change.status IN ('pending', 'preparing') THEN 'waiting' ELSE change.status END, change.status IS NOT NULL),
            (1, 'metering.transaction.stale', change.is_stale)
        ) AS status (ordinal, type, has_happened)
        WHERE status.has_happened AND events_wanted(patterns, status.type)
        UNION ALL
        SELECT change.ordinality, change.transaction_id, change.moment, 'metering.cost.recorded', 2, cost.id::text,
            metering_cost_snapshot(cost)
        FROM unnest(changes) WITH ORDINALITY change
        JOIN metering_cost cost
            ON cost.tenant_id = tenant AND cost.transaction_id = change.transaction_id AND cost.created_at = change.moment
        WHERE events_wanted(patterns, 'metering.cost.recorded')
        UNION ALL
        SELECT change.ordinality, change.transaction_id, change.moment, 'metering.cost.superseded', 3, newer.id::text,
            json_build_object('object', metering_cost_snapshot(newer), 'previous', metering_cost_snapshot(earlier))
        FROM unnest(changes) WITH ORDINALITY change
        JOIN metering_cost earlier
            ON earlier.tenant_id = tenant AND earlier.transaction_id = change.transaction_id AND earlier.superseded_at = change.moment
        JOIN metering_cost newer ON newer.tenant_id = tenant AND newer.id = earlier.superseded_by_id
        WHERE events_wanted(patterns, 'metering.cost.superseded')
    ) event;
    IF items IS NOT NULL THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
