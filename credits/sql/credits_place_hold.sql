-- Reserves an amount across a customer's grants, in burn-down order, until a moment.
-- Takes: a tenant, an array of one credits_draw. Returns: one row. `outcome` is posted, exists (the key was used before: `first_digest`),
-- insufficient, too_long where the moment is after `latest`, the last one that the policy allows, or overdue where it is past already. A
-- repeated call may come that late, so `exists` is decided first.
-- Locks: the customer's grants that can pay, by id. Never: moves a balance.
CREATE OR REPLACE FUNCTION credits_place_hold(tenant uuid, items jsonb)
RETURNS TABLE (outcome text, id uuid, balance numeric, available numeric, latest timestamp with time zone, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, items -> 0);
    locked_grants record;
    placed credits_hold;
    last_moment timestamptz;
    hold_outcome text;
BEGIN
    SELECT * INTO locked_grants FROM credits_lock_customer_grants(tenant, draw);
    SELECT * INTO placed FROM credits_hold WHERE tenant_id = tenant AND idempotency_key = draw.idempotency_key;
    last_moment := credits_longest_hold(tenant, locked_grants.moment);
    hold_outcome := CASE
        WHEN placed.id IS NOT NULL THEN 'exists'
        WHEN draw.expires_at <= locked_grants.moment THEN 'overdue'
        WHEN draw.expires_at > last_moment THEN 'too_long'
        WHEN locked_grants.available < draw.amount THEN 'insufficient'
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' THEN
        INSERT INTO credits_hold
            (tenant_id, id, customer_id, currency, metric_id, amount, reason, expires_at, idempotency_key, facts_digest, status, captured,
             occurred_at, created_at, actor, request_id)
        VALUES
            (tenant, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount, draw.reason,
             draw.expires_at, draw.idempotency_key, draw.facts_digest, 'active', 0, locked_grants.moment, locked_grants.moment, draw.actor,
             draw.request_id)
        RETURNING * INTO placed;
        PERFORM credits_place_hold_lines(tenant, draw, locked_grants.grant_rows, locked_grants.moment);
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM credits_write_hold_event(tenant, draw.request_id, placed.id, draw.customer_id, 'placed', locked_grants.moment);
        END IF;
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, placed.id, locked_grants.balance AS balance, locked_grants.available AS available,
           last_moment AS latest, placed.facts_digest AS first_digest;
END
$$;
