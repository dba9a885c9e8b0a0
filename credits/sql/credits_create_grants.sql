-- Creates grants, each with its opening transaction.
-- Takes: a tenant, an array of credits_opening. Returns: one row for each, in order, with the grant as it was when it was created.
-- `outcome` is posted, or exists, where the key or the id was used before (`first_digest`).
-- Locks: no row; unique indexes decide between two calls with one key. Never: changes a grant that exists.
CREATE OR REPLACE FUNCTION credits_create_grants(tenant uuid, postings jsonb)
RETURNS TABLE (
    outcome text, id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text, priority integer,
    original_amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, balance numeric, held numeric, status text,
    created_at timestamp with time zone, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    items CONSTANT credits_opening[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::credits_opening, postings) item);
    fresh CONSTANT uuid[] := credits_unused_openings(tenant, items);
BEGIN
    -- The clock is read inside the INSERT, after it locked the tables: a read of the past waits for calls that have
    -- (kernel/ledger/past_reads.py).
    WITH present AS MATERIALIZED (SELECT ledger_now() AS moment), fresh_items AS (
        SELECT item.*, present.moment, dated.first_day, CASE
                   -- A grant that took effect before it was booked counts by the world's clock from that day.
                   WHEN dated.first_day < ledger_day(dated.happened) THEN dated.first_day::timestamp AT TIME ZONE 'UTC'
                   ELSE dated.happened
               END AS occurred_at
        FROM present
        CROSS JOIN unnest(items) item
        CROSS JOIN LATERAL (
            SELECT coalesce(item.effective_date, ledger_day(present.moment)) AS first_day,
                   coalesce(item.as_of, present.moment) AS happened
        ) dated
        WHERE item.id = ANY (fresh)
    ), opened AS (
        INSERT INTO credits_grant
            (tenant_id, id, customer_id, name, unit_type, currency, metric_id, category, priority, original_amount, cost_of_credit,
             effective_date, expiry_date, recurring_grant_id, period, idempotency_key, facts_digest, balance, held, last_entry_number,
             last_entry_at, status, occurred_at, created_at, actor, request_id)
        SELECT tenant, id, customer_id, name, unit_type, currency, metric_id, category, priority, amount, cost_of_credit,
               first_day, expiry_date, recurring_grant_id, period, idempotency_key, facts_digest, amount, 0, 1,
               moment, 'open', occurred_at, moment, actor, request_id
        FROM fresh_items
    )
    INSERT INTO credits_transaction
        (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
         billing_run_id, occurred_at, created_at, actor, request_id)
    SELECT tenant, entry_id, id, customer_id, 'CREDIT', 'opening', amount, 1, amount, cost_of_credit, coalesce(reason, ''), '',
           '', occurred_at, moment, actor, request_id
    FROM fresh_items;

    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM credits_write_events(
            tenant, items[1].request_id, ARRAY(SELECT item.entry_id FROM unnest(items) item WHERE item.id = ANY (fresh)), NULL
        );
        PERFORM credits_update_alerts(tenant, items[1].request_id, fresh);
    END IF;

    RETURN QUERY
    SELECT CASE WHEN grant_row.id = item.id AND item.id = ANY (fresh) THEN 'posted' ELSE 'exists' END AS outcome,
           grant_row.id, grant_row.customer_id::text, grant_row.name::text, grant_row.unit_type::text, grant_row.currency::text,
           grant_row.metric_id::text, grant_row.category::text, grant_row.priority::int, grant_row.original_amount,
           grant_row.cost_of_credit, grant_row.effective_date, grant_row.expiry_date, grant_row.original_amount AS balance,
           0::numeric AS held, 'open' AS status, grant_row.created_at, grant_row.facts_digest AS first_digest
    FROM unnest(items) WITH ORDINALITY item
    CROSS JOIN LATERAL (
        SELECT existing.* FROM credits_grant existing
        WHERE existing.tenant_id = tenant AND (existing.idempotency_key = item.idempotency_key OR existing.id = item.id)
        ORDER BY existing.idempotency_key = item.idempotency_key DESC NULLS LAST
        LIMIT 1
    ) grant_row
    ORDER BY item.ordinality;
END
$$;
