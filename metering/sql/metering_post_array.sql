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
    one metering_resolution;
    posted metering_outcome;
    posted_at timestamptz;
    deltas metering_delta[];
BEGIN
    IF EXISTS (SELECT FROM unnest(resolved) WHERE posting_outcome = 'unnamed') THEN
        PERFORM metering_insert_names(tenant, items, resolved);
        -- Inserting may have waited for another call, so everything is decided again.
        resolved := metering_resolve(tenant, items);
    END IF;
    posted_at := clock_timestamp();

    WITH fresh AS MATERIALIZED (
        SELECT *, coalesce(occurred_at, posted_at) AS happened_at, metering_costs_to_insert(begins_as, costs) AS inserted_costs
        FROM unnest(items, resolved)
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
        SELECT fresh.id, fresh.happened_at, fresh.actor, fresh.request_id, fresh.service_id, (fresh.agent).id AS agent_id,
            cost.id AS cost_id, cost.amount, cost.currency, cost.is_estimate, cost.details
        FROM fresh CROSS JOIN LATERAL unnest(fresh.inserted_costs) cost
    ), costs AS (
        INSERT INTO metering_cost (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
            is_active, cost_details
        )
        SELECT cost_id, tenant, happened_at, posted_at, actor, request_id, id, amount, currency, is_estimate, true, details::json
        FROM priced
    ), summed AS (
        -- As metering_deltas_of, for many: a transaction is counted under its first cost's currency, so that most need one row.
        SELECT date_trunc('hour', happened_at, 'UTC') AS hour, service_id, (agent).id AS agent_id,
            coalesce(inserted_costs[1].currency, '') AS currency, count(*) AS transactions,
            count(*) FILTER (WHERE outcome = 'success') AS succeeded, count(*) FILTER (WHERE outcome = 'error') AS failed,
            count(*) FILTER (WHERE begins_as = 'denied') AS denied, count(*) FILTER (WHERE begins_as = 'cancelled') AS cancelled,
            0 AS costs, 0 AS amount, 0 AS estimated
        FROM fresh GROUP BY 1, 2, 3, 4
        UNION ALL
        SELECT date_trunc('hour', happened_at, 'UTC'), service_id, agent_id, currency, 0, 0, 0, 0, 0,
            count(*), sum(amount), coalesce(sum(amount) FILTER (WHERE is_estimate), 0)
        FROM priced GROUP BY 1, 2, 3, 4
    )
    SELECT array_agg(summed::metering_delta) INTO deltas FROM summed;

    IF deltas IS NOT NULL THEN
        PERFORM metering_roll_up(tenant, deltas);
    END IF;

    FOR place IN 1 .. cardinality(items) LOOP
        one := resolved[place];
        IF one.posting_outcome = 'posted' AND one.begins_as IN ('denied', 'cancelled') THEN
            PERFORM metering_insert_offered_costs(
                tenant, items[place], one.begins_as, coalesce(items[place].occurred_at, posted_at), posted_at
            );
        END IF;
        posted.outcome := one.posting_outcome;
        posted.id := one.first_id;
        posted.first_digest := one.first_digest;
        posted.status := one.begins_as;
        posted.decline_reason := one.decline_reason;
        posted.created_at := posted_at;
        posted.service_id := one.service_id;
        posted.agent_id := (one.agent).id;
        posted.agent_label := (one.agent).label;
        posted.agent_name := (one.agent).name;
        posted.agent_description := (one.agent).description;
        posted.agent_status := (one.agent).status;
        posted.agent_created_at := (one.agent).created_at;
        posted.agent_updated_at := (one.agent).updated_at;
        posted.agent_customer_id := (one.agent).customer_id;
        posted.trace_reference := one.known_reference;
        posted.trace_external_id := one.known_external_id;
        posted.requires_payment := false;
        RETURN NEXT posted;
    END LOOP;

    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM metering_write_events(tenant, items[1].request_id, ARRAY(
            SELECT (id, posted_at, begins_as, false)::metering_change FROM unnest(items, resolved) WHERE posting_outcome = 'posted'
        ));
    END IF;
END
$$;
