-- Draws an amount across a customer's grants, in burn-down order, with one transaction for each grant drawn on.
-- Takes: a tenant, an array of one credits_draw.
-- Returns: one row for each transaction, and at least one; the columns up to `booked_at` describe the whole draw. `outcome` is posted,
-- exists (the key was used before: `first_digest`), or insufficient.
-- Locks: the customer's grants that can pay, by id. Never: takes more than is available; takes a part of the amount, unless `partial`.
CREATE OR REPLACE FUNCTION credits_consume(tenant uuid, postings jsonb)
RETURNS TABLE (
    outcome text, consumption_id uuid, amount numeric, taken numeric, balance numeric, available numeric, first_digest bytea,
    booked_at timestamp with time zone, id uuid, grant_id uuid, entry_amount numeric, entry_number bigint, balance_after numeric,
    cost_basis numeric, occurred_at timestamp with time zone, created_at timestamp with time zone, chosen_by jsonb
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, postings -> 0);
    locked_grants record;
    consumption credits_consumption;
    draw_outcome text;
BEGIN
    SELECT * INTO locked_grants FROM credits_lock_customer_grants(tenant, draw);
    SELECT * INTO consumption FROM credits_consumption WHERE tenant_id = tenant AND idempotency_key = draw.idempotency_key;
    IF consumption.id IS NOT NULL THEN
        draw_outcome := 'exists';
    ELSIF locked_grants.available < draw.amount AND NOT draw.partial THEN
        draw_outcome := 'insufficient';
    ELSE
        draw_outcome := 'posted';
        INSERT INTO credits_consumption
            (tenant_id, id, customer_id, currency, metric_id, amount, taken, partial, reason, invoice_id, billing_run_id,
             idempotency_key, facts_digest, occurred_at, created_at, actor, request_id)
        VALUES
            (tenant, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount,
             least(locked_grants.available, draw.amount), draw.partial, draw.reason, draw.invoice_id, draw.billing_run_id,
             draw.idempotency_key, draw.facts_digest, locked_grants.moment, locked_grants.moment, draw.actor, draw.request_id)
        RETURNING * INTO consumption;
        PERFORM credits_post_decided(tenant, (
            SELECT jsonb_agg(jsonb_build_object(
                'id', ledger_new_id(), 'grant_id', part.grant_id, 'kind', 'consumption', 'type', 'DEBIT', 'amount', part.taken,
                'reason', draw.reason, 'invoice_id', draw.invoice_id, 'billing_run_id', draw.billing_run_id,
                -- A microsecond apart, so that lists show them in burn-down order.
                'now', locked_grants.moment + (part.rank - 1) * interval '1 microsecond',
                'consumption_id', draw.id, 'chosen_by', part.chosen_by, 'actor', draw.actor, 'request_id', draw.request_id
            ) ORDER BY part.rank)
            FROM credits_split_draw(locked_grants.grant_rows, draw.amount) part
        ));
    END IF;

    RETURN QUERY
    SELECT draw_outcome AS outcome, consumption.id AS consumption_id, coalesce(consumption.amount, draw.amount) AS amount,
           coalesce(consumption.taken, 0) AS taken, locked_grants.balance AS balance, locked_grants.available AS available,
           consumption.facts_digest AS first_digest, consumption.created_at AS booked_at, entry.id, entry.grant_id,
           entry.amount AS entry_amount, entry.entry_number, entry.balance_after,
           entry.cost_basis, entry.occurred_at, entry.created_at, entry.chosen_by
    -- One row without columns: there is a reply also where nothing was posted.
    FROM (SELECT) reply
    LEFT JOIN credits_transaction entry ON entry.tenant_id = tenant AND entry.consumption_id = consumption.id
    ORDER BY (entry.chosen_by ->> 'rank')::int;
END
$$;
