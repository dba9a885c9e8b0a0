-- What a transaction is recorded from: the posting as the services send it, parsed once, and after it what the book knows of its names.
CREATE TYPE metering_posting AS (
    tenant_id uuid, id uuid, actor text, request_id text, occurred_at timestamptz, completed_at timestamptz, idempotency_key text, digest text,
    service_name text, new_service_id uuid, agent_id uuid, agent_name text, new_agent_id uuid, trace_reference uuid, trace_external_id text,
    new_trace_id uuid, action_name text, resource_name text, status text, outcome text, qualifiers text, metadata text, request_facts text,
    payment_data text, change_id uuid, costs jsonb,
    verdict text, first_id uuid, first_digest bytea, service_id uuid, agent metering_agent, trace_id uuid, found_reference uuid, found_external_id text,
    decided text, reason text
);

-- Finds who had each posting's key before, in the book or earlier in the array, its service, agent and trace, and decides whether the
-- transaction may go ahead. What isn't known stays null; a trace of the transaction's own is known already.
CREATE FUNCTION metering_find_names(items metering_posting[]) RETURNS metering_posting[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    known metering_posting[];
BEGIN
    SELECT array_agg(ROW(
        item.tenant_id, item.id, item.actor, item.request_id, item.occurred_at, item.completed_at, item.idempotency_key, item.digest,
        item.service_name, item.new_service_id, item.agent_id, item.agent_name, item.new_agent_id, item.trace_reference,
        item.trace_external_id, item.new_trace_id, item.action_name, item.resource_name, item.status, item.outcome, item.qualifiers,
        item.metadata, item.request_facts, item.payment_data, item.change_id, item.costs,
        CASE
            WHEN item.prior_id IS NULL AND item.is_refused THEN 'unknown_agent'
            WHEN item.prior_id IS NULL AND item.turn = 1 THEN 'posted'
            WHEN coalesce(item.prior_digest, decode(item.earlier_digest, 'hex')) = decode(item.digest, 'hex') THEN 'replayed'
            ELSE 'conflict'
        END,
        coalesce(item.prior_id, item.earlier_id),
        CASE WHEN item.prior_id IS NOT NULL THEN item.prior_digest ELSE decode(item.earlier_digest, 'hex') END,
        item.service_found, item.agent,
        CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id ELSE item.trace_found END,
        CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id ELSE item.reference_found END,
        item.external_id_found,
        CASE
            WHEN item.status IS NOT NULL THEN item.status
            WHEN (item.agent).status = 'inactive' THEN 'denied'
            WHEN item.authorizes_at_once IS FALSE THEN 'pending'
            ELSE 'authorized'
        END,
        CASE WHEN item.status IS NULL AND (item.agent).status = 'inactive' THEN format('Agent %s is inactive', (item.agent).name) END
    )::metering_posting ORDER BY item.ordinality)
    INTO known
    FROM (
        SELECT given.*, row_number() OVER same AS turn, first_value(given.id) OVER same AS earlier_id,
            first_value(given.digest) OVER same AS earlier_digest
        FROM (
            SELECT item.tenant_id, item.id, item.actor, item.request_id, item.occurred_at, item.completed_at, item.idempotency_key,
                item.digest, item.service_name, item.new_service_id, item.agent_id, item.agent_name, item.new_agent_id,
                item.trace_reference, item.trace_external_id, item.new_trace_id, item.action_name, item.resource_name, item.status,
                item.outcome, item.qualifiers, item.metadata, item.request_facts, item.payment_data, item.change_id, item.costs,
                item.ordinality, prior.id AS prior_id, prior.facts_digest AS prior_digest, service.id AS service_found,
                coalesce(named.agent, called.agent) AS agent,
                item.agent_id IS NOT NULL AND item.agent_name IS NULL AND named.agent IS NULL AS is_refused,
                coalesce(referred.id, external.id) AS trace_found, coalesce(referred.reference, external.reference) AS reference_found,
                CASE WHEN referred.id IS NOT NULL THEN referred.external_id ELSE external.external_id END AS external_id_found,
                policy.authorizes_at_once
            -- OFFSET keeps each look-up what it says: a probe for each posting.
            FROM unnest(items) WITH ORDINALITY item
            LEFT JOIN LATERAL (
                SELECT seen.id, seen.facts_digest FROM metering_transaction seen
                WHERE seen.tenant_id = item.tenant_id AND seen.idempotency_key = item.idempotency_key
                OFFSET 0
            ) prior ON item.idempotency_key IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT seen.id FROM metering_service seen
                WHERE seen.tenant_id = item.tenant_id AND seen.name = item.service_name
                OFFSET 0
            ) service ON true
            LEFT JOIN LATERAL (
                SELECT seen AS agent FROM metering_agent seen
                WHERE seen.id = item.agent_id AND seen.tenant_id IS NOT DISTINCT FROM item.tenant_id
                OFFSET 0
            ) named ON item.agent_id IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT seen AS agent FROM metering_agent seen
                WHERE seen.tenant_id = item.tenant_id AND seen.name = item.agent_name
                OFFSET 0
            ) called ON item.agent_name IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
                WHERE seen.tenant_id = item.tenant_id AND seen.reference = item.trace_reference
                OFFSET 0
            ) referred ON item.trace_reference IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
                WHERE seen.tenant_id = item.tenant_id AND seen.external_id = item.trace_external_id
                OFFSET 0
            ) external ON item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL
            LEFT JOIN LATERAL (
                SELECT seen.authorizes_at_once FROM metering_policy seen WHERE seen.tenant_id = item.tenant_id OFFSET 0
            ) policy ON true
        ) given
        -- A refused item doesn't burn its key for a later one of the array.
        WINDOW same AS (
            PARTITION BY given.tenant_id, given.idempotency_key, CASE WHEN given.idempotency_key IS NULL THEN given.ordinality END,
                given.prior_id IS NULL, given.is_refused
            ORDER BY given.ordinality
        )
    ) item;
    RETURN known;
END
$$;

-- Services, agents and shared traces come into being with their first transaction. Sorted, so that two calls that make the same ones
-- wait for each other in one direction only; what another call made meanwhile is found by the next look.
CREATE FUNCTION metering_make_names(items metering_posting[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO metering_service (id, tenant_id, name)
    SELECT DISTINCT ON (tenant_id, service_name) new_service_id, tenant_id, service_name
    FROM unnest(items) WHERE service_id IS NULL ORDER BY tenant_id, service_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    INSERT INTO metering_agent (id, tenant_id, label, name, status)
    SELECT DISTINCT ON (tenant_id, agent_name) new_agent_id, tenant_id, agent_name, agent_name, 'active'
    FROM unnest(items) WHERE (agent).id IS NULL AND agent_name IS NOT NULL ORDER BY tenant_id, agent_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    -- A trace named by its UUID takes the external id along unless another trace has it.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT wanted.id, wanted.tenant_id, wanted.reference,
        CASE WHEN wanted.turn = 1 AND wanted.external_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM metering_trace taken WHERE taken.tenant_id = wanted.tenant_id AND taken.external_id = wanted.external_id
        ) THEN wanted.external_id END
    FROM (
        SELECT DISTINCT ON (tenant_id, trace_reference) tenant_id, new_trace_id AS id, trace_reference AS reference,
            trace_external_id AS external_id, row_number() OVER (PARTITION BY tenant_id, trace_external_id ORDER BY ordinality) AS turn
        FROM unnest(items) WITH ORDINALITY
        WHERE trace_reference IS NOT NULL AND trace_id IS NULL
        ORDER BY tenant_id, trace_reference, ordinality
    ) wanted
    ON CONFLICT (tenant_id, reference) DO NOTHING;

    -- A trace named by its external id alone.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT DISTINCT ON (item.tenant_id, item.trace_external_id) item.new_trace_id, item.tenant_id, item.new_trace_id, item.trace_external_id
    FROM unnest(items) WITH ORDINALITY item
    WHERE item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL AND item.trace_id IS NULL AND NOT EXISTS (
        SELECT FROM metering_trace known WHERE known.tenant_id = item.tenant_id AND known.external_id = item.trace_external_id
    )
    ORDER BY item.tenant_id, item.trace_external_id, item.ordinality
    ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING;
END
$$;

-- Adds changes to the rollups, as before; in PL/pgSQL, because that keeps the plan of a statement and a function in SQL makes it anew for
-- each call.
CREATE OR REPLACE FUNCTION metering_roll_up(deltas metering_delta[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
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
        estimated = kept.estimated + excluded.estimated;
END
$$;

-- Records new transactions with their costs. One array, one database transaction, one outcome for each item, in order:
--   posted         a new row; the facts that the caller can't know are in the answer
--   replayed       the idempotency key was used before with the same facts: `id` is the first row's
--   conflict       the key was used before with other facts: `id` and `first_digest` are the first row's
--   unknown_agent  the agent named by id isn't the tenant's, and no name was given instead
-- Where another call wins a key, or a trace's external id, between our look and our insert, the unique constraint ends the call with
-- nothing written; the caller repeats it.
CREATE OR REPLACE FUNCTION metering_post(postings jsonb) RETURNS TABLE (
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
    items metering_posting[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::metering_posting, postings) item);
    fresh metering_posting[];
    posted_at timestamptz;
BEGIN
    items := metering_find_names(items);
    -- A posting that is refused or replayed makes nothing. Keys in one order everywhere: two arrays that share some wait for each other in
    -- one direction only.
    fresh := ARRAY(SELECT item FROM unnest(items) item WHERE item.verdict = 'posted' ORDER BY item.idempotency_key);
    IF EXISTS (
        SELECT FROM unnest(fresh) WHERE service_id IS NULL OR trace_id IS NULL OR ((agent).id IS NULL AND agent_name IS NOT NULL)
    ) THEN
        PERFORM metering_make_names(fresh);
        items := metering_find_names(items);
        fresh := ARRAY(SELECT item FROM unnest(items) item WHERE item.verdict = 'posted' ORDER BY item.idempotency_key);
    END IF;
    posted_at := clock_timestamp();

    INSERT INTO metering_trace (id, tenant_id, reference)
    SELECT new_trace_id, tenant_id, new_trace_id FROM unnest(fresh) WHERE trace_reference IS NULL AND trace_external_id IS NULL;

    INSERT INTO metering_transaction (
        id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id, trace_id,
        status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
        authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
    )
    SELECT id, tenant_id, happened_at, posted_at, posted_at, actor, request_id, service_id, action_name, resource_name, (agent).id, trace_id,
        decided, outcome, reason, false, qualifiers::json, metadata::json, request_facts::json, payment_data::json,
        CASE WHEN decided IN ('authorized', 'completed') THEN happened_at END, CASE decided WHEN 'denied' THEN happened_at END,
        CASE decided WHEN 'cancelled' THEN happened_at END, CASE decided WHEN 'completed' THEN coalesce(completed_at, happened_at) END,
        idempotency_key, CASE WHEN idempotency_key IS NOT NULL THEN decode(digest, 'hex') END
    FROM unnest(fresh) CROSS JOIN LATERAL (SELECT coalesce(occurred_at, posted_at) AS happened_at) world;

    INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
    SELECT change_id, tenant_id, coalesce(occurred_at, posted_at), posted_at, actor, request_id, id, decided, coalesce(reason, '')
    FROM unnest(fresh);

    INSERT INTO metering_cost (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate, is_active,
        cost_details
    )
    SELECT cost.id, item.tenant_id, coalesce(item.occurred_at, posted_at), posted_at, item.actor, item.request_id, item.id,
        cost.amount, cost.currency, cost.is_estimate, true, cost.details::json
    FROM unnest(fresh) item
    CROSS JOIN LATERAL jsonb_to_recordset(item.costs) AS cost (id uuid, amount numeric, currency text, is_estimate boolean, details text);

    PERFORM metering_roll_up(array_agg((
        summed.tenant_id, summed.hour, summed.service_id, summed.agent_id, summed.currency, summed.transactions, summed.succeeded,
        summed.failed, summed.denied, summed.cancelled, summed.costs, summed.amount, summed.estimated
    )::metering_delta))
    FROM (
        SELECT item.tenant_id, date_trunc('hour', coalesce(item.occurred_at, posted_at), 'UTC') AS hour,
            item.service_id, (item.agent).id AS agent_id, part.currency,
            sum(part.transactions) AS transactions,
            coalesce(sum(part.transactions) FILTER (WHERE item.outcome = 'success'), 0) AS succeeded,
            coalesce(sum(part.transactions) FILTER (WHERE item.outcome = 'error'), 0) AS failed,
            coalesce(sum(part.transactions) FILTER (WHERE item.decided = 'denied'), 0) AS denied,
            coalesce(sum(part.transactions) FILTER (WHERE item.decided = 'cancelled'), 0) AS cancelled,
            sum(part.costs) AS costs, sum(part.amount) AS amount, sum(part.estimated) AS estimated
        FROM unnest(fresh) item
        CROSS JOIN LATERAL (
            -- A transaction is counted under its first cost's currency, so that most need one row and not two.
            SELECT coalesce(item.costs -> 0 ->> 'currency', '') AS currency, 1 AS transactions, 0 AS costs, 0.0 AS amount, 0.0 AS estimated
            UNION ALL
            SELECT cost.currency, 0, 1, cost.amount, CASE WHEN cost.is_estimate THEN cost.amount ELSE 0 END
            FROM jsonb_to_recordset(item.costs) AS cost (amount numeric, currency text, is_estimate boolean)
        ) part
        GROUP BY 1, 2, 3, 4, 5
    ) summed
    HAVING count(*) > 0;

    RETURN QUERY
    SELECT item.verdict, item.first_id, item.first_digest, item.decided, item.reason, posted_at, item.service_id, (item.agent).id,
        (item.agent).label::text, (item.agent).name::text, (item.agent).description, (item.agent).status::text, (item.agent).created_at,
        (item.agent).updated_at, item.found_reference, item.found_external_id
    FROM unnest(items) item;
END;
$$;
