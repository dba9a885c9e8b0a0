-- Makes grants, each with its opening transaction. Outcomes: posted; replayed or conflict, where the key or the id was used before.
CREATE OR REPLACE FUNCTION credits_open(openings jsonb)
RETURNS TABLE (
    outcome text, id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text, priority integer,
    original_amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, balance numeric, held numeric, status text,
    created_at timestamp with time zone, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    items credits_opening[];
    fresh uuid[];
    moment CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT array_agg(item) INTO items FROM jsonb_populate_recordset(NULL::credits_opening, openings) item;

    SELECT array_agg(id) INTO fresh FROM (
        SELECT DISTINCT ON (item.tenant_id, coalesce(item.idempotency_key, item.id::text)) item.id
        FROM unnest(items) WITH ORDINALITY item
        WHERE NOT EXISTS (
            SELECT FROM credits_grant known
            WHERE known.tenant_id = item.tenant_id AND (known.idempotency_key = item.idempotency_key OR known.id = item.id)
        )
        ORDER BY item.tenant_id, coalesce(item.idempotency_key, item.id::text), item.ordinality
    ) unknown;

    WITH fresh_items AS (
        -- A grant that took effect before it was booked counts in the world from that day.
        SELECT item.*, CASE
            WHEN item.effective_date < credits_day(credits_moment(item.now, moment)) THEN item.effective_date::timestamp AT TIME ZONE 'UTC'
            ELSE credits_moment(item.now, moment)
        END AS occurred_at
        FROM unnest(items) item WHERE item.id = ANY (fresh)
    ), opened AS (
        INSERT INTO credits_grant
            (tenant_id, id, customer_id, name, unit_type, currency, metric_id, category, priority, original_amount, cost_of_credit,
             effective_date, expiry_date, schedule_id, period, idempotency_key, facts_digest, balance, held, last_entry_number,
             last_entry_at, status, occurred_at, created_at, actor, request_id)
        SELECT tenant_id, id, customer_id, name, unit_type, currency, metric_id, category, priority, amount, cost_of_credit,
               effective_date, expiry_date, schedule_id, period, idempotency_key, facts_digest, amount, 0, 1,
               moment, 'open', occurred_at, moment, actor, request_id
        FROM fresh_items
    )
    INSERT INTO credits_transaction
        (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
         billing_run_id, occurred_at, created_at, actor, request_id)
    SELECT tenant_id, entry_id, id, customer_id, 'CREDIT', 'opening', amount, 1, amount, cost_of_credit, coalesce(reason, ''), '',
           '', occurred_at, moment, actor, request_id
    FROM fresh_items;

    RETURN QUERY
    SELECT CASE
               WHEN account.id = item.id AND item.id = ANY (fresh) THEN 'posted'
               WHEN account.facts_digest = item.facts_digest THEN 'replayed'
               ELSE 'conflict'
           END,
           account.id, account.customer_id::text, account.name::text, account.unit_type::text, account.currency::text,
           account.metric_id::text, account.category::text, account.priority::int, account.original_amount, account.cost_of_credit,
           account.effective_date, account.expiry_date, account.balance, account.held, account.status::text, account.created_at,
           account.facts_digest
    FROM unnest(items) WITH ORDINALITY item
    CROSS JOIN LATERAL (
        SELECT known.* FROM credits_grant known
        WHERE known.tenant_id = item.tenant_id AND (known.idempotency_key = item.idempotency_key OR known.id = item.id)
        ORDER BY known.idempotency_key = item.idempotency_key DESC NULLS LAST
        LIMIT 1
    ) account
    ORDER BY item.ordinality;
END
$$;
