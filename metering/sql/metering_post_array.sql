-- Records an array of new transactions: the general form of metering_post. One statement writes all rows, so that each posting is taken
-- out of the array once.
-- Takes: the tenant and the postings.
-- Returns: one outcome for each, in order. Locks: as metering_post says.
-- Never: writes anything for a posting that is refused or whose key was used before. The report of a denied call is kept as
-- metering_insert_parts does it.
CREATE OR REPLACE FUNCTION metering_post_array(tenant uuid, items metering_posting[])
RETURNS SETOF metering_outcome
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    resolved metering_resolution[] := metering_resolve(tenant, items);
    created_at timestamptz;
    deltas metering_delta[];
    -- The indexes of postings whose costs perhaps don't all become rows.
    partly_written bigint[];
BEGIN
    IF EXISTS (SELECT FROM unnest(resolved) WHERE posting_outcome = 'unnamed') THEN
        PERFORM metering_insert_names(tenant, items, resolved);
        -- Inserting may have waited for another call, so everything is decided again.
        resolved := metering_resolve(tenant, items);
    END IF;
    created_at := clock_timestamp();

    WITH fresh AS MATERIALIZED (
        SELECT *, coalesce(occurred_at, created_at) AS transaction_occurred_at,
            CASE WHEN begins_as IN ('denied', 'cancelled') THEN metering_costs_to_insert(begins_as, costs) ELSE costs END AS inserted_costs,
            metering_status_occurred_at(begins_as, checks_occurred_at, decided_at, coalesce(occurred_at, created_at), created_at)
                AS status_occurred_at
        FROM unnest(items, resolved) WITH ORDINALITY
        WHERE posting_outcome = 'posted'
        -- Keys in one order everywhere: two arrays that share some always lock in the same order and can't deadlock.
        ORDER BY idempotency_key COLLATE "C"
    ), own_traces AS (
        INSERT INTO metering_trace (id, tenant_id, reference)
        SELECT trace_id, tenant, trace_id FROM fresh WHERE trace_reference IS NULL AND trace_external_id IS NULL
    ), transactions AS (
        INSERT INTO metering_transaction (
            id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id,
            trace_id, status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
            customer_id, preparing_at, authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
        )
        SELECT id, tenant, transaction_occurred_at, created_at, created_at, actor, request_id, service_id, action_name, resource_name,
            (agent).id, trace_id, begins_as, CASE begins_as WHEN 'completed' THEN call_outcome END, decline_reason, false,
            qualifiers::json, metadata::json, request_facts::json, payment_data::json, customer_id,
            CASE begins_as WHEN 'preparing' THEN status_occurred_at END,
            CASE WHEN begins_as IN ('authorized', 'completed') THEN status_occurred_at END,
            CASE begins_as WHEN 'denied' THEN status_occurred_at END, CASE begins_as WHEN 'cancelled' THEN status_occurred_at END,
            CASE begins_as WHEN 'completed' THEN coalesce(completed_at, transaction_occurred_at) END,
            idempotency_key, decode(facts_digest, 'hex')
        FROM fresh
    ), first_steps AS (
        INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
        SELECT change_id, tenant, status_occurred_at, created_at, actor, request_id, id, begins_as, coalesce(decline_reason, '') FROM fresh
    ), reports AS (
        INSERT INTO metering_fact (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, integration, call_id,
            pricing, pricing_note, pricing_fields, facts_digest
        )
        SELECT (fact).id, tenant, transaction_occurred_at, created_at, actor, request_id, id, (fact).source, (fact).version, (fact).phase,
            (fact).facts::json, (fact).integration::json, (fact).call_id,
            CASE begins_as WHEN 'denied' THEN 'not_asked' ELSE (fact).pricing END,
            CASE begins_as WHEN 'denied' THEN '' ELSE (fact).pricing_note END,
            CASE WHEN begins_as <> 'denied' THEN (fact).pricing_fields::json END, decode((fact).facts_digest, 'hex')
        FROM fresh WHERE (fact).id IS NOT NULL
    ), priced AS MATERIALIZED (
        -- A row for each cost, and one for a transaction without costs.
        SELECT fresh.id, fresh.transaction_occurred_at, fresh.actor, fresh.request_id, fresh.service_id, (fresh.agent).id AS agent_id,
            fresh.call_outcome,
            fresh.begins_as, (fresh.fact).facts_digest AS fact_digest, coalesce(cost.ordinality, 1) = 1 AS is_first, cost.id AS cost_id,
            cost.amount, cost.currency, cost.is_estimate, cost.details, cost.superseded_by_id, cost.supersedes_ids, cost.inferred_from_id
        FROM fresh LEFT JOIN LATERAL unnest(fresh.inserted_costs) WITH ORDINALITY AS cost ON true
    ), costs AS (
        INSERT INTO metering_cost (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
            is_active, superseded_at, superseded_by_id, supersedes_id, inferred_from_id, cost_details, facts_digest
        )
        SELECT cost_id, tenant, transaction_occurred_at, created_at, actor, request_id, id, amount, currency, is_estimate,
            superseded_by_id IS NULL, CASE WHEN superseded_by_id IS NOT NULL THEN created_at END, superseded_by_id, supersedes_ids[1],
            inferred_from_id, details::json,
            CASE WHEN inferred_from_id IS NOT NULL THEN decode(fact_digest, 'hex') END
        FROM priced WHERE amount IS NOT NULL
    ), summed AS (
        -- As metering_new_deltas, for many: a transaction is counted under its first cost's currency, so that most need one row.
        SELECT date_trunc('hour', transaction_occurred_at, 'UTC') AS hour, service_id, agent_id, coalesce(currency, '') AS currency,
            count(*) FILTER (WHERE is_first) AS transactions,
            count(*) FILTER (WHERE is_first AND begins_as = 'completed' AND call_outcome = 'success') AS succeeded,
            count(*) FILTER (WHERE is_first AND begins_as = 'completed' AND call_outcome = 'error') AS failed,
            count(*) FILTER (WHERE is_first AND begins_as = 'denied') AS denied,
            count(*) FILTER (WHERE is_first AND begins_as = 'cancelled') AS cancelled,
            count(amount) FILTER (WHERE superseded_by_id IS NULL) AS costs,
            coalesce(sum(amount) FILTER (WHERE superseded_by_id IS NULL), 0) AS amount,
            coalesce(sum(amount) FILTER (WHERE superseded_by_id IS NULL AND is_estimate), 0) AS estimated
        FROM priced GROUP BY 1, 2, 3, 4
    )
    SELECT (SELECT array_agg(summed::metering_delta) FROM summed),
        (SELECT array_agg(fresh.ordinality) FROM fresh WHERE fresh.begins_as IN ('denied', 'cancelled'))
    INTO deltas, partly_written;

    FOR ordinal IN 1 .. coalesce(cardinality(partly_written), 0) LOOP
        PERFORM metering_insert_unwritten_costs(
            tenant, items[partly_written[ordinal]], (resolved[partly_written[ordinal]]).begins_as,
            coalesce((items[partly_written[ordinal]]).occurred_at, created_at), created_at
        );
    END LOOP;
    IF deltas IS NOT NULL THEN
        PERFORM metering_roll_up(tenant, deltas);
    END IF;

    -- In the order of metering_outcome's attributes.
    RETURN QUERY
    SELECT posting_outcome, first_id, first_digest, begins_as, decline_reason, created_at, service_id, (agent).id, (agent).label::text,
        (agent).name::text, (agent).description, (agent).status::text, (agent).created_at, (agent).updated_at, (agent).customer_id::text,
        known_reference, known_external_id, false,
        metering_status_occurred_at(begins_as, checks_occurred_at, decided_at, coalesce(occurred_at, created_at), created_at)
    FROM unnest(items, resolved) WITH ORDINALITY
    ORDER BY ordinality;

    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM metering_write_events(tenant, items[1].request_id, ARRAY(
            SELECT (id, created_at, begins_as, false)::metering_change FROM unnest(items, resolved) WHERE posting_outcome = 'posted'
        ));
    END IF;
END
$$;
