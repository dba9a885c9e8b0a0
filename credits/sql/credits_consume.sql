-- Draws an amount; takes an array of one draw. Outcomes: posted, replayed, conflict, insufficient. One row for each transaction, and at
-- least one row: the columns up to `booked_at` are the draw's own.
CREATE OR REPLACE FUNCTION credits_consume(draws jsonb)
RETURNS TABLE (
    outcome text, consumption_id uuid, amount numeric, taken numeric, balance numeric, available numeric, first_digest bytea,
    booked_at timestamp with time zone, id uuid, grant_id uuid, entry_amount numeric, entry_number bigint, balance_after numeric,
    cost_basis numeric, occurred_at timestamp with time zone, created_at timestamp with time zone, chosen_by jsonb
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, draws -> 0);
    accounts CONSTANT credits_grant[] := credits_lock_payers(draw);
    total numeric;
    there numeric;
    known credits_consumption;
    word text;
    moment CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT coalesce(sum(balance), 0), coalesce(sum(balance - held), 0) INTO total, there FROM unnest(accounts);
    SELECT * INTO known FROM credits_consumption WHERE tenant_id = draw.tenant_id AND idempotency_key = draw.idempotency_key;
    IF known.id IS NOT NULL THEN
        word := CASE WHEN known.facts_digest = draw.facts_digest THEN 'replayed' ELSE 'conflict' END;
    ELSIF there < draw.amount AND NOT draw.partial THEN
        word := 'insufficient';
    ELSE
        word := 'posted';
        INSERT INTO credits_consumption
            (tenant_id, id, customer_id, currency, metric_id, amount, taken, partial, reason, invoice_id, billing_run_id,
             idempotency_key, facts_digest, occurred_at, created_at, actor, request_id)
        VALUES
            (draw.tenant_id, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount,
             least(there, draw.amount), draw.partial, draw.reason, draw.invoice_id, draw.billing_run_id,
             draw.idempotency_key, draw.facts_digest, credits_moment(draw.now, moment), moment, draw.actor, draw.request_id)
        RETURNING * INTO known;
        PERFORM credits_post_all((
            SELECT jsonb_agg(jsonb_build_object(
                'tenant_id', draw.tenant_id, 'id', credits_new_id(), 'grant_id', plan.grant_id, 'kind', 'consumption', 'type', 'DEBIT',
                'amount', plan.taken, 'reason', draw.reason, 'invoice_id', draw.invoice_id, 'billing_run_id', draw.billing_run_id,
                'now', draw.now, 'consumption_id', draw.id, 'chosen_by', plan.chosen_by, 'actor', draw.actor, 'request_id', draw.request_id
            ) ORDER BY plan.rank)
            FROM credits_plan(accounts, draw.amount) plan
        ));
    END IF;

    RETURN QUERY
    SELECT word, known.id, coalesce(known.amount, draw.amount), coalesce(known.taken, 0), total, there, known.facts_digest, known.created_at,
           entry.id, entry.grant_id, entry.amount, entry.entry_number, entry.balance_after, entry.cost_basis, entry.occurred_at,
           entry.created_at, entry.chosen_by
    FROM (SELECT) one
    LEFT JOIN credits_transaction entry ON entry.tenant_id = draw.tenant_id AND entry.consumption_id = known.id
    ORDER BY (entry.chosen_by ->> 'rank')::int;
END
$$;
