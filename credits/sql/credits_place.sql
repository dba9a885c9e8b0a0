-- Reserves an amount until draw.expires_at; takes an array of one draw. Outcomes: posted, replayed, conflict, insufficient, and overdue
-- where that moment is past already (a repeated call may well come so late).
CREATE OR REPLACE FUNCTION credits_place(draws jsonb)
RETURNS TABLE (
    outcome text, id uuid, balance numeric, available numeric, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, draws -> 0);
    accounts CONSTANT credits_grant[] := credits_lock_payers(draw);
    total numeric;
    there numeric;
    known credits_hold;
    moment CONSTANT timestamptz := clock_timestamp();
    happened CONSTANT timestamptz := credits_moment(draw.now, moment);
BEGIN
    SELECT coalesce(sum(balance), 0), coalesce(sum(balance - held), 0) INTO total, there FROM unnest(accounts);
    SELECT * INTO known FROM credits_hold WHERE tenant_id = draw.tenant_id AND idempotency_key = draw.idempotency_key;
    IF known.id IS NOT NULL THEN
        RETURN QUERY SELECT CASE WHEN known.facts_digest = draw.facts_digest THEN 'replayed' ELSE 'conflict' END,
                            known.id, total, there, known.facts_digest;
        RETURN;
    ELSIF draw.expires_at <= draw.now OR there < draw.amount THEN
        RETURN QUERY SELECT CASE WHEN draw.expires_at <= draw.now THEN 'overdue' ELSE 'insufficient' END, NULL::uuid, total, there, NULL::bytea;
        RETURN;
    END IF;

    INSERT INTO credits_hold
        (tenant_id, id, customer_id, currency, metric_id, amount, reason, expires_at, idempotency_key, facts_digest, status, captured,
         occurred_at, created_at, actor, request_id)
    VALUES
        (draw.tenant_id, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount, draw.reason,
         draw.expires_at, draw.idempotency_key, draw.facts_digest, 'active', 0, happened, moment, draw.actor, draw.request_id);
    WITH planned AS (
        SELECT plan.*, account.held + plan.taken AS held_after
        FROM credits_plan(accounts, draw.amount) plan JOIN unnest(accounts) account ON account.id = plan.grant_id
    ), lines AS (
        INSERT INTO credits_holdline
            (tenant_id, id, hold_id, grant_id, amount, expires_at, chosen_by, remaining, occurred_at, created_at, actor, request_id)
        SELECT draw.tenant_id, credits_new_id(), draw.id, grant_id, taken, draw.expires_at, chosen_by, taken, happened, moment,
               draw.actor, draw.request_id
        FROM planned
    ), entries AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT draw.tenant_id, credits_new_id(), draw.id, grant_id, 'placed', taken, held_after, draw.reason, happened, moment,
               draw.actor, draw.request_id
        FROM planned
    )
    UPDATE credits_grant account SET held = planned.held_after
    FROM planned WHERE account.tenant_id = draw.tenant_id AND account.id = planned.grant_id;
    RETURN QUERY SELECT 'posted', draw.id, total, there, draw.facts_digest;
END
$$;
