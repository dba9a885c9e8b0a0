-- The form for arrays of metering_post (below). One statement writes all, so that each posting is taken out of the array once.
CREATE OR REPLACE FUNCTION metering_post_many(postings jsonb) RETURNS SETOF metering_outcome LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    items CONSTANT metering_posting[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::metering_posting, postings) item);
    known metering_known[] := metering_find_names(items);
    posted_at timestamptz;
    deltas metering_delta[];
BEGIN
    IF EXISTS (SELECT FROM unnest(known) WHERE verdict = 'unnamed') THEN
        PERFORM metering_make_names(items, known);
        known := metering_find_names(items);
    END IF;
    posted_at := clock_timestamp();

    WITH fresh AS MATERIALIZED (
        SELECT *, coalesce(occurred_at, posted_at) AS happened_at
        FROM unnest(items, known)
        -- A posting that is refused or replayed makes nothing. Keys in one order everywhere: two arrays that share some wait for each other
        -- in one direction only.
        WHERE verdict = 'posted'
        ORDER BY idempotency_key COLLATE "C"
    ), own_traces AS (
        INSERT INTO metering_trace (id, tenant_id, reference)
        SELECT trace_id, tenant_id, trace_id FROM fresh WHERE trace_reference IS NULL AND trace_external_id IS NULL
    ), transactions AS (
        INSERT INTO metering_transaction (
            id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id,
            trace_id, status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
            authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
        )
        SELECT id, tenant_id, happened_at, posted_at, posted_at, actor, request_id, service_id, action_name, resource_name, (agent).id,
            trace_id, decided, outcome, reason, false, qualifiers::json, metadata::json, request_facts::json, payment_data::json,
            CASE WHEN decided IN ('authorized', 'completed') THEN happened_at END, CASE decided WHEN 'denied' THEN happened_at END,
            CASE decided WHEN 'cancelled' THEN happened_at END,
            CASE decided WHEN 'completed' THEN coalesce(completed_at, happened_at) END,
            idempotency_key, CASE WHEN idempotency_key IS NOT NULL THEN decode(digest, 'hex') END
        FROM fresh
    ), first_steps AS (
        INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
        SELECT change_id, tenant_id, happened_at, posted_at, actor, request_id, id, decided, coalesce(reason, '') FROM fresh
    ), priced AS MATERIALIZED (
        SELECT fresh.id, fresh.tenant_id, fresh.happened_at, fresh.actor, fresh.request_id, fresh.service_id, (fresh.agent).id AS agent_id,
            cost.id AS cost_id, cost.amount, cost.currency, cost.is_estimate, cost.details
        FROM fresh CROSS JOIN LATERAL unnest(fresh.costs) cost
    ), costs AS (
        INSERT INTO metering_cost (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
            is_active, cost_details
        )
        SELECT cost_id, tenant_id, happened_at, posted_at, actor, request_id, id, amount, currency, is_estimate, true, details::json
        FROM priced
    ), summed AS (
        -- A transaction is counted under its first cost's currency, so that most need one row and not two.
        SELECT tenant_id, date_trunc('hour', happened_at, 'UTC') AS hour, service_id, (agent).id AS agent_id,
            coalesce(costs[1].currency, '') AS currency, count(*) AS transactions,
            count(*) FILTER (WHERE outcome = 'success') AS succeeded, count(*) FILTER (WHERE outcome = 'error') AS failed,
            count(*) FILTER (WHERE decided = 'denied') AS denied, count(*) FILTER (WHERE decided = 'cancelled') AS cancelled,
            0 AS costs, 0 AS amount, 0 AS estimated
        FROM fresh GROUP BY 1, 2, 3, 4, 5
        UNION ALL
        SELECT tenant_id, date_trunc('hour', happened_at, 'UTC'), service_id, agent_id, currency, 0, 0, 0, 0, 0,
            count(*), sum(amount), coalesce(sum(amount) FILTER (WHERE is_estimate), 0)
        FROM priced GROUP BY 1, 2, 3, 4, 5
    )
    SELECT array_agg(summed::metering_delta) INTO deltas FROM summed;
    IF deltas IS NOT NULL THEN
        PERFORM metering_roll_up(deltas);
    END IF;

    RETURN QUERY
    SELECT verdict, first_id, first_digest, decided, reason, posted_at, service_id, (agent).id, (agent).label::text, (agent).name::text,
        (agent).description, (agent).status::text, (agent).created_at, (agent).updated_at, found_reference, found_external_id
    FROM unnest(known);
END
$$;
