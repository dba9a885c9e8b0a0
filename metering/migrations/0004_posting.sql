-- What one change adds to the sums of its hour and day.
CREATE TYPE metering_delta AS (
    tenant_id uuid, occurred_at timestamptz, service_id uuid, agent_id uuid, currency text,
    transactions integer, succeeded integer, failed integer, denied integer, cancelled integer,
    costs integer, amount numeric, estimated numeric
);

-- Adds changes to the rollups, in the transaction of the rows they come from. Rows are touched in sorted order, so that two calls can't
-- wait for each other in a circle; each connection has a lane, so that they seldom wait at all.
CREATE FUNCTION metering_roll_up(deltas metering_delta[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO metering_rollup AS kept (
        id, tenant_id, grain, starts_at, service_id, agent_id, currency, lane,
        transactions, succeeded, failed, denied, cancelled, costs, amount, estimated
    )
    SELECT gen_random_uuid(), delta.tenant_id, grain.name, date_trunc(grain.name, delta.occurred_at, 'UTC') AS starts_at,
        delta.service_id, delta.agent_id, delta.currency, pg_backend_pid() % 8,
        sum(delta.transactions), sum(delta.succeeded), sum(delta.failed), sum(delta.denied), sum(delta.cancelled),
        sum(delta.costs), sum(delta.amount), sum(delta.estimated)
    FROM unnest(deltas) AS delta CROSS JOIN (VALUES ('day'), ('hour')) AS grain (name)
    GROUP BY delta.tenant_id, grain.name, starts_at, delta.service_id, delta.agent_id, delta.currency
    ORDER BY delta.tenant_id, grain.name, starts_at, delta.service_id, delta.agent_id, delta.currency
    ON CONFLICT (tenant_id, grain, starts_at, service_id, agent_id, currency, lane) DO UPDATE SET
        transactions = kept.transactions + excluded.transactions,
        succeeded = kept.succeeded + excluded.succeeded,
        failed = kept.failed + excluded.failed,
        denied = kept.denied + excluded.denied,
        cancelled = kept.cancelled + excluded.cancelled,
        costs = kept.costs + excluded.costs,
        amount = kept.amount + excluded.amount,
        estimated = kept.estimated + excluded.estimated
$$;

-- Records new transactions with their costs. One array, one database transaction, one outcome for each item, in order:
--   posted         a new row; the facts that the caller can't know are in the answer
--   replayed       the idempotency key was used before with the same facts: `id` is the first row's
--   conflict       the key was used before with other facts: `id` and `first_digest` are the first row's
--   unknown_agent  the agent named by id isn't the tenant's, and no name was given instead
-- Where another call wins a key, or a trace's external id, between our look and our insert, the unique constraint ends the call with
-- nothing written; the caller repeats it.
CREATE FUNCTION metering_post(postings jsonb) RETURNS TABLE (
    outcome text, id uuid, first_digest bytea, status text, decline_reason text, moment timestamptz, service_id uuid,
    agent_id uuid, agent_label text, agent_name text, agent_description text, agent_status text,
    agent_created_at timestamptz, agent_updated_at timestamptz, trace_reference uuid, trace_external_id text
)
LANGUAGE plpgsql
-- The plans are kept from call to call and must stay good when the tables have grown: always index probes from the array's side.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    outcomes text[];
    ids uuid[];
    digests bytea[];
    services uuid[];
    agents uuid[];
    traces uuid[];
    statuses text[];
    reasons text[];
    posted_at timestamptz;
BEGIN
    -- Look at everything that could refuse or replay an item; an item refused doesn't burn its key for a later one of the array.
    WITH seen AS (
        SELECT item.*, prior.id AS prior_id, prior.facts_digest AS prior_digest, known.id AS known_agent,
            item.agent_id IS NOT NULL AND item.agent_name IS NULL AND known.id IS NULL AS is_refused
        FROM ROWS FROM (jsonb_to_recordset(postings) AS (
            tenant_id uuid, id uuid, idempotency_key text, digest text, agent_id uuid, agent_name text
        )) WITH ORDINALITY AS item (tenant_id, id, idempotency_key, digest, agent_id, agent_name, ordinal)
        LEFT JOIN metering_transaction AS prior
            ON prior.tenant_id = item.tenant_id AND prior.idempotency_key = item.idempotency_key
        LEFT JOIN metering_agent AS known ON known.tenant_id = item.tenant_id AND known.id = item.agent_id
    ), placed AS (
        SELECT seen.*, first_value(seen.ordinal) OVER same AS first_ordinal, first_value(seen.id) OVER same AS first_id,
            first_value(seen.digest) OVER same AS first_digest
        FROM seen
        WINDOW same AS (
            PARTITION BY seen.tenant_id, seen.idempotency_key, CASE WHEN seen.idempotency_key IS NULL THEN seen.ordinal END,
                seen.prior_id IS NULL, seen.is_refused
            ORDER BY seen.ordinal
        )
    ), decided AS (
        SELECT placed.ordinal, placed.known_agent,
            CASE WHEN placed.prior_id IS NOT NULL THEN placed.prior_id ELSE placed.first_id END AS row_id,
            CASE WHEN placed.prior_id IS NOT NULL THEN placed.prior_digest ELSE decode(placed.first_digest, 'hex') END AS row_digest,
            CASE
                WHEN placed.prior_id IS NULL AND placed.is_refused THEN 'unknown_agent'
                WHEN placed.prior_id IS NULL AND placed.first_ordinal = placed.ordinal THEN 'posted'
                WHEN COALESCE(placed.prior_digest, decode(placed.first_digest, 'hex')) = decode(placed.digest, 'hex') THEN 'replayed'
                ELSE 'conflict'
            END AS outcome
        FROM placed
    )
    SELECT array_agg(decided.outcome ORDER BY decided.ordinal), array_agg(decided.row_id ORDER BY decided.ordinal),
        array_agg(decided.row_digest ORDER BY decided.ordinal), array_agg(decided.known_agent ORDER BY decided.ordinal)
    INTO outcomes, ids, digests, agents
    FROM decided;

    -- Services, agents and traces come into being with their first transaction. Sorted, so that two calls that make the same ones
    -- wait for each other in one direction only; what another call made meanwhile is found below.
    INSERT INTO metering_service (id, tenant_id, name)
    SELECT DISTINCT ON (item.tenant_id, item.service_name) item.new_service_id, item.tenant_id, item.service_name
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (tenant_id uuid, service_name text, new_service_id uuid))
        WITH ORDINALITY AS item (tenant_id, service_name, new_service_id, ordinal)
    WHERE outcomes[item.ordinal] = 'posted' AND NOT EXISTS (
        SELECT FROM metering_service AS known WHERE known.tenant_id = item.tenant_id AND known.name = item.service_name
    )
    ORDER BY item.tenant_id, item.service_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    INSERT INTO metering_agent (id, tenant_id, label, name, status)
    SELECT DISTINCT ON (item.tenant_id, item.agent_name) item.new_agent_id, item.tenant_id, item.agent_name, item.agent_name, 'active'
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (tenant_id uuid, agent_name text, new_agent_id uuid))
        WITH ORDINALITY AS item (tenant_id, agent_name, new_agent_id, ordinal)
    WHERE outcomes[item.ordinal] = 'posted' AND agents[item.ordinal] IS NULL AND item.agent_name IS NOT NULL AND NOT EXISTS (
        SELECT FROM metering_agent AS known WHERE known.tenant_id = item.tenant_id AND known.name = item.agent_name
    )
    ORDER BY item.tenant_id, item.agent_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    -- A trace named by its UUID, or a transaction's own. It takes the external id along unless another trace has it.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT wanted.id, wanted.tenant_id, wanted.reference,
        CASE WHEN wanted.turn = 1 AND wanted.external_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM metering_trace AS taken
            WHERE taken.tenant_id = wanted.tenant_id AND taken.external_id = wanted.external_id
        ) THEN wanted.external_id END
    FROM (
        SELECT DISTINCT ON (item.tenant_id, reference) item.tenant_id, item.new_trace_id AS id, reference,
            item.trace_external_id AS external_id,
            row_number() OVER (PARTITION BY item.tenant_id, item.trace_external_id ORDER BY item.ordinal) AS turn
        FROM ROWS FROM (jsonb_to_recordset(postings) AS (
            tenant_id uuid, trace_reference uuid, trace_external_id text, new_trace_id uuid
        )) WITH ORDINALITY AS item (tenant_id, trace_reference, trace_external_id, new_trace_id, ordinal)
        CROSS JOIN LATERAL (SELECT COALESCE(item.trace_reference, item.new_trace_id) AS reference) AS named
        WHERE outcomes[item.ordinal] = 'posted' AND CASE
            WHEN item.trace_reference IS NULL THEN item.trace_external_id IS NULL
            ELSE NOT EXISTS (
                SELECT FROM metering_trace AS known WHERE known.tenant_id = item.tenant_id AND known.reference = named.reference
            )
        END
        ORDER BY item.tenant_id, reference, item.ordinal
    ) AS wanted
    ON CONFLICT (tenant_id, reference) DO NOTHING;

    -- A trace named by its external id alone.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT DISTINCT ON (item.tenant_id, item.trace_external_id) item.new_trace_id, item.tenant_id, item.new_trace_id, item.trace_external_id
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (
        tenant_id uuid, trace_reference uuid, trace_external_id text, new_trace_id uuid
    )) WITH ORDINALITY AS item (tenant_id, trace_reference, trace_external_id, new_trace_id, ordinal)
    WHERE outcomes[item.ordinal] = 'posted' AND item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM metering_trace AS known WHERE known.tenant_id = item.tenant_id AND known.external_id = item.trace_external_id
    )
    ORDER BY item.tenant_id, item.trace_external_id, item.ordinal
    ON CONFLICT (tenant_id, external_id) DO NOTHING;

    SELECT array_agg((
            SELECT service.id FROM metering_service AS service
            WHERE service.tenant_id = item.tenant_id AND service.name = item.service_name
        ) ORDER BY item.ordinal),
        array_agg(COALESCE(agents[item.ordinal], (
            SELECT agent.id FROM metering_agent AS agent WHERE agent.tenant_id = item.tenant_id AND agent.name = item.agent_name
        )) ORDER BY item.ordinal),
        array_agg(CASE
            WHEN item.trace_reference IS NOT NULL THEN (
                SELECT trace.id FROM metering_trace AS trace
                WHERE trace.tenant_id = item.tenant_id AND trace.reference = item.trace_reference
            )
            WHEN item.trace_external_id IS NOT NULL THEN (
                SELECT trace.id FROM metering_trace AS trace
                WHERE trace.tenant_id = item.tenant_id AND trace.external_id = item.trace_external_id
            )
            ELSE item.new_trace_id
        END ORDER BY item.ordinal)
    INTO services, agents, traces
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (
        tenant_id uuid, service_name text, agent_name text, trace_reference uuid, trace_external_id text, new_trace_id uuid
    )) WITH ORDINALITY AS item (tenant_id, service_name, agent_name, trace_reference, trace_external_id, new_trace_id, ordinal);

    -- The decision whether the transaction may go ahead is made here, within the call.
    SELECT array_agg(CASE
            WHEN item.status IS NOT NULL THEN item.status
            WHEN agent.status = 'inactive' THEN 'denied'
            WHEN policy.authorizes_at_once IS FALSE THEN 'pending'
            ELSE 'authorized'
        END ORDER BY item.ordinal),
        array_agg(CASE
            WHEN item.status IS NULL AND agent.status = 'inactive' THEN format('Agent %s is inactive', agent.name)
        END ORDER BY item.ordinal)
    INTO statuses, reasons
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (tenant_id uuid, status text))
        WITH ORDINALITY AS item (tenant_id, status, ordinal)
    LEFT JOIN metering_agent AS agent ON agent.tenant_id = item.tenant_id AND agent.id = agents[item.ordinal]
    LEFT JOIN metering_policy AS policy ON policy.tenant_id = item.tenant_id;

    posted_at := clock_timestamp();

    INSERT INTO metering_transaction (
        id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id, trace_id,
        status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
        authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
    )
    SELECT item.id, item.tenant_id, COALESCE(item.occurred_at, posted_at), posted_at, posted_at, item.actor, item.request_id,
        services[item.ordinal], item.action_name, item.resource_name, agents[item.ordinal], traces[item.ordinal],
        statuses[item.ordinal], item.outcome, reasons[item.ordinal], false,
        item.qualifiers::json, item.metadata::json, item.request_facts::json, item.payment_data::json,
        CASE WHEN statuses[item.ordinal] IN ('authorized', 'completed') THEN COALESCE(item.occurred_at, posted_at) END,
        CASE WHEN statuses[item.ordinal] = 'denied' THEN COALESCE(item.occurred_at, posted_at) END,
        CASE WHEN statuses[item.ordinal] = 'cancelled' THEN COALESCE(item.occurred_at, posted_at) END,
        CASE WHEN statuses[item.ordinal] = 'completed' THEN COALESCE(item.completed_at, item.occurred_at, posted_at) END,
        item.idempotency_key, CASE WHEN item.idempotency_key IS NOT NULL THEN digests[item.ordinal] END
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (
        id uuid, tenant_id uuid, occurred_at timestamptz, completed_at timestamptz, actor text, request_id text, action_name text,
        resource_name text, outcome text, qualifiers text, metadata text, request_facts text, payment_data text, idempotency_key text
    )) WITH ORDINALITY AS item (
        id, tenant_id, occurred_at, completed_at, actor, request_id, action_name,
        resource_name, outcome, qualifiers, metadata, request_facts, payment_data, idempotency_key, ordinal
    )
    WHERE outcomes[item.ordinal] = 'posted'
    -- Keys in one order everywhere: two arrays that share some wait for each other in one direction only.
    ORDER BY item.idempotency_key, item.ordinal;

    INSERT INTO metering_statuschange (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason
    )
    SELECT item.change_id, item.tenant_id, COALESCE(item.occurred_at, posted_at), posted_at, item.actor, item.request_id, item.id,
        statuses[item.ordinal], COALESCE(reasons[item.ordinal], '')
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (
        id uuid, tenant_id uuid, occurred_at timestamptz, actor text, request_id text, change_id uuid
    )) WITH ORDINALITY AS item (id, tenant_id, occurred_at, actor, request_id, change_id, ordinal)
    WHERE outcomes[item.ordinal] = 'posted';

    INSERT INTO metering_cost (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate, is_active,
        cost_details
    )
    SELECT cost.id, item.tenant_id, COALESCE(item.occurred_at, posted_at), posted_at, item.actor, item.request_id, item.id,
        cost.amount, cost.currency, cost.is_estimate, true, cost.details::json
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (
        id uuid, tenant_id uuid, occurred_at timestamptz, actor text, request_id text, costs jsonb
    )) WITH ORDINALITY AS item (id, tenant_id, occurred_at, actor, request_id, costs, ordinal)
    CROSS JOIN LATERAL jsonb_to_recordset(item.costs) AS cost (id uuid, amount numeric, currency text, is_estimate boolean, details text)
    WHERE outcomes[item.ordinal] = 'posted';

    PERFORM metering_roll_up(array_agg((
        summed.tenant_id, summed.hour, summed.service_id, summed.agent_id, summed.currency, summed.transactions, summed.succeeded,
        summed.failed, summed.denied, summed.cancelled, summed.costs, summed.amount, summed.estimated
    )::metering_delta))
    FROM (
        SELECT item.tenant_id, date_trunc('hour', COALESCE(item.occurred_at, posted_at), 'UTC') AS hour,
            services[item.ordinal] AS service_id, agents[item.ordinal] AS agent_id, part.currency,
            sum(part.transactions) AS transactions,
            COALESCE(sum(part.transactions) FILTER (WHERE item.outcome = 'success'), 0) AS succeeded,
            COALESCE(sum(part.transactions) FILTER (WHERE item.outcome = 'error'), 0) AS failed,
            COALESCE(sum(part.transactions) FILTER (WHERE statuses[item.ordinal] = 'denied'), 0) AS denied,
            COALESCE(sum(part.transactions) FILTER (WHERE statuses[item.ordinal] = 'cancelled'), 0) AS cancelled,
            sum(part.costs) AS costs, sum(part.amount) AS amount, sum(part.estimated) AS estimated
        FROM ROWS FROM (jsonb_to_recordset(postings) AS (tenant_id uuid, occurred_at timestamptz, outcome text, costs jsonb))
            WITH ORDINALITY AS item (tenant_id, occurred_at, outcome, costs, ordinal)
        CROSS JOIN LATERAL (
            -- A transaction is counted under its first cost's currency, so that most need one row and not two.
            SELECT COALESCE(item.costs -> 0 ->> 'currency', '') AS currency, 1 AS transactions, 0 AS costs, 0.0 AS amount, 0.0 AS estimated
            UNION ALL
            SELECT cost.currency, 0, 1, cost.amount, CASE WHEN cost.is_estimate THEN cost.amount ELSE 0 END
            FROM jsonb_to_recordset(item.costs) AS cost (amount numeric, currency text, is_estimate boolean)
        ) AS part
        WHERE outcomes[item.ordinal] = 'posted'
        GROUP BY 1, 2, 3, 4, 5
    ) AS summed
    HAVING count(*) > 0;

    RETURN QUERY
    SELECT outcomes[item.ordinal], ids[item.ordinal], digests[item.ordinal], statuses[item.ordinal], reasons[item.ordinal], posted_at,
        services[item.ordinal], agent.id, agent.label::text, agent.name::text, agent.description, agent.status::text, agent.created_at,
        agent.updated_at, COALESCE(trace.reference, item.new_trace_id), trace.external_id::text
    FROM ROWS FROM (jsonb_to_recordset(postings) AS (tenant_id uuid, trace_reference uuid, trace_external_id text, new_trace_id uuid))
        WITH ORDINALITY AS item (tenant_id, trace_reference, trace_external_id, new_trace_id, ordinal)
    LEFT JOIN metering_agent AS agent
        ON agent.tenant_id = item.tenant_id AND agent.id = agents[item.ordinal] AND outcomes[item.ordinal] = 'posted'
    LEFT JOIN LATERAL (
        -- A trace of the transaction's own is all known already; OFFSET keeps it from being looked up nevertheless.
        SELECT found.reference, found.external_id FROM metering_trace AS found
        WHERE found.tenant_id = item.tenant_id AND found.id = traces[item.ordinal] AND outcomes[item.ordinal] = 'posted'
            AND (item.trace_reference IS NOT NULL OR item.trace_external_id IS NOT NULL)
        OFFSET 0
    ) AS trace ON true
    ORDER BY item.ordinal;
END;
$$;
