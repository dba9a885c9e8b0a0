-- Writes the events of payments: what happened to them, and that something of them is unpaid.
-- Takes: the tenant, the request id of the call, the payments, and what happened: their new status, captured or extended. Returns: nothing.
-- Locks: as events_insert.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION paying_write_events(tenant uuid, request text, payments uuid[], what text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    items events_item[];
BEGIN
    IF patterns IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg((
            event.type, 'transaction:' || payment.transaction_id, events_moment_number(payment.updated_at), payment.updated_at,
            payment.id::text, paying_snapshot(payment)
        )::events_item ORDER BY payment.id, event.ordinal) INTO items
    FROM paying_payment payment
    CROSS JOIN LATERAL (VALUES
        (1, 'payment.' || what, true), (2, 'payment.unpaid', payment.unpaid > 0)
    ) AS event (ordinal, type, has_happened)
    WHERE payment.tenant_id = tenant AND payment.id = ANY (payments) AND event.has_happened AND events_wanted(patterns, event.type);
    IF items IS NOT NULL THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
