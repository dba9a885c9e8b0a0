-- Records an array of new transactions: the general form of metering_post. One statement writes all rows, so that each posting is taken
-- out of the array once.
-- Takes: the tenant and the postings.
-- Returns: one outcome for each, in order. Locks: as metering_post says.
-- Never: writes anything for a posting that is refused or whose key was used before.
CREATE OR REPLACE FUNCTION metering_post_array(tenant uuid, items metering_posting[])
RETURNS SETOF metering_outcome
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    resolved metering_resolution[] := metering_resolve(tenant, items);
    posted_at timestamptz;
    deltas metering_delta[];
    -- The places of postings whose costs perhaps don't all become rows.
    offered bigint[];
BEGIN
    IF EXISTS (SELECT FROM unnest(resolved) WHERE posting_outcome = 'unnamed') THEN
        PERFORM metering_insert_names(tenant, items, resolved);
        -- Inserting may have waited for another call, so everything is decided again.
        resolved := metering_resolve(tenant, items);
    END IF;
    posted_at := clock_timestamp();

    WITH fresh AS MATERIALIZED (
        SELECT *, coalesce(occurred_at, posted_at) AS happened_at, metering_costs_to_insert(begins_as, costs) AS inserted_costs
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
        SELECT id, tenant, happened_at, posted_at, posted_at, actor, request_id, service_id, action_name, resource_name, (agent).id,
            trace_id, begins_as, outcome, decline_reason, false, qualifiers::json, metadata::json, request_facts::json, payment_data::json,
            customer_id, CASE begins_as WHEN 'preparing' THEN happened_at END,
            CASE WHEN begins_as IN ('authorized', 'completed') THEN happened_at END,
            CASE begins_as WHEN 'denied' THEN happened_at END, CASE begins_as WHEN 'cancelled' THEN happened_at END,
            CASE begins_as WHEN 'completed' THEN coalesce(completed_at, happened_at) END,
            idempotency_key, decode(digest, 'hex')
        FROM fresh
    ), first_steps AS (
        INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
        SELECT change_id, tenant, happened_at, posted_at, actor, request_id, id, begins_as, coalesce(decline_reason, '') FROM fresh
    ), priced AS MATERIALIZED (
        -- A row for each cost, and one for a transaction without costs.
        SELECT fresh.id, fresh.happened_at, fresh.actor, fresh.request_id, fresh.service_id, (fresh.agent).id AS agent_id, fresh.outcome,
            fresh.begins_as, coalesce(cost.ordinality, 1) = 1 AS is_first, cost.id AS cost_id, cost.amount, cost.currency,
            cost.is_estimate, cost.details
        FROM fresh LEFT JOIN LATERAL unnest(fresh.inserted_costs) WITH ORDINALITY AS cost ON true
    ), costs AS (
        INSERT INTO metering_cost (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
            is_active, cost_details
        )
        SELECT cost_id, tenant, happened_at, posted_at, actor, request_id, id, amount, currency, is_estimate, true, details::json
        FROM priced WHERE amount IS NOT NULL
    ), summed AS (
        -- As metering_deltas_of, for many: a transaction is counted under its first cost's currency, so that most need one row.
        SELECT date_trunc('hour', happened_at, 'UTC') AS hour, service_id, agent_id, coalesce(currency, '') AS currency,
            count(*) FILTER (WHERE is_first) AS transactions,
            count(*) FILTER (WHERE is_first AND outcome = 'success') AS succeeded,
            count(*) FILTER (WHERE is_first AND outcome = 'error') AS failed,
            count(*) FILTER (WHERE is_first AND begins_as = 'denied') AS denied,
            count(*) FILTER (WHERE is_first AND begins_as = 'cancelled') AS cancelled,
            count(amount) AS costs, coalesce(sum(amount), 0) AS amount, coalesce(sum(amount) FILTER (WHERE is_estimate), 0) AS estimated
        FROM priced GROUP BY 1, 2, 3, 4
    )
    SELECT (SELECT array_agg(summed::metering_delta) FROM summed),
        (SELECT array_agg(fresh.ordinality) FROM fresh WHERE fresh.begins_as IN ('denied', 'cancelled'))
    INTO deltas, offered;

    FOR place IN 1 .. coalesce(cardinality(offered), 0) LOOP
        PERFORM metering_insert_offered_costs(
            tenant, items[offered[place]], (resolved[offered[place]]).begins_as,
            coalesce((items[offered[place]]).occurred_at, posted_at), posted_at
        );
    END LOOP;
    IF deltas IS NOT NULL THEN
        PERFORM metering_roll_up(tenant, deltas);
    END IF;

    -- In the order of metering_outcome's attributes.
    RETURN QUERY
    SELECT posting_outcome, first_id, first_digest, begins_as, decline_reason, posted_at, service_id, (agent).id, (agent).label::text,
        (agent).name::text, (agent).description, (agent).status::text, (agent).created_at, (agent).updated_at, (agent).customer_id::text,
        known_reference, known_external_id, false
    FROM unnest(resolved);

    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM metering_write_events(tenant, items[1].request_id, ARRAY(
            SELECT (id, posted_at, begins_as, false)::metering_change FROM unnest(items, resolved) WHERE posting_outcome = 'posted'
        ));
    END IF;
END
$$;
