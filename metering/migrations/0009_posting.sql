-- It answers with a type of its own now, which its two forms share.
DROP FUNCTION metering_post(jsonb);

-- What a transaction is recorded from, as the services send it.
CREATE TYPE metering_posted_cost AS (id uuid, amount numeric, currency text, is_estimate boolean, details text);
CREATE TYPE metering_posting AS (
    tenant_id uuid, id uuid, actor text, request_id text, occurred_at timestamptz, completed_at timestamptz, idempotency_key text,
    digest text, service_name text, new_service_id uuid, agent_id uuid, agent_name text, new_agent_id uuid, trace_reference uuid,
    trace_external_id text, new_trace_id uuid, action_name text, resource_name text, status text, outcome text, qualifiers text,
    metadata text, request_facts text, payment_data text, change_id uuid, costs metering_posted_cost[]
);

-- What the book knows of a posting, and what is to become of it: an outcome of metering_post, or `unnamed` as long as its service, agent or
-- trace isn't there yet.
CREATE TYPE metering_known AS (
    verdict text, first_id uuid, first_digest bytea, service_id uuid, agent metering_agent, trace_id uuid, found_reference uuid,
    found_external_id text, decided text, reason text
);

CREATE TYPE metering_outcome AS (
    outcome text, id uuid, first_digest bytea, status text, decline_reason text, moment timestamptz, service_id uuid,
    agent_id uuid, agent_label text, agent_name text, agent_description text, agent_status text,
    agent_created_at timestamptz, agent_updated_at timestamptz, trace_reference uuid, trace_external_id text
);

-- Whether a transaction may go ahead, and why not. What is over already says itself how it went.
CREATE FUNCTION metering_decided(status text, agent metering_agent, authorizes_at_once boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN status IS NOT NULL THEN status
        WHEN agent.status = 'inactive' THEN 'denied'
        WHEN authorizes_at_once IS FALSE THEN 'pending'
        ELSE 'authorized'
    END
$$;

CREATE FUNCTION metering_decline_reason(status text, agent metering_agent) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN status IS NULL AND agent.status = 'inactive' THEN format('Agent %s is inactive', agent.name) END
$$;

-- Finds who had each posting's key before, in the book or earlier in the array, its service, agent and trace, and decides whether the
-- transaction may go ahead. What isn't known stays null; a trace of the transaction's own is known already.
CREATE FUNCTION metering_find_names(items metering_posting[]) RETURNS metering_known[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    known metering_known[];
    keys bigint;
    different_keys bigint;
    again record;
BEGIN
    SELECT array_agg(ROW(
               CASE
                   WHEN prior.id IS NOT NULL AND prior.facts_digest <> decode(item.digest, 'hex') THEN 'conflict'
                   WHEN prior.id IS NOT NULL THEN 'replayed'
                   WHEN item.agent_id IS NOT NULL AND item.agent_name IS NULL AND named.id IS NULL THEN 'unknown_agent'
                   WHEN service.id IS NULL OR trace.id IS NULL OR (item.agent_name IS NOT NULL AND named.id IS NULL AND called.id IS NULL)
                       THEN 'unnamed'
                   ELSE 'posted'
               END,
               prior.id, prior.facts_digest, service.id, agent.whole, trace.id, trace.reference, trace.external_id,
               metering_decided(item.status, agent.whole, policy.authorizes_at_once), metering_decline_reason(item.status, agent.whole)
           )::metering_known ORDER BY item.ordinality),
           count(item.idempotency_key), count(DISTINCT item.idempotency_key)
    INTO known, keys, different_keys
    FROM unnest(items) WITH ORDINALITY item
    -- OFFSET keeps each look-up what it says: a probe for each posting.
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
        SELECT seen.id, seen AS whole FROM metering_agent seen
        WHERE seen.id = item.agent_id AND seen.tenant_id IS NOT DISTINCT FROM item.tenant_id
        OFFSET 0
    ) named ON item.agent_id IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id, seen AS whole FROM metering_agent seen
        WHERE seen.tenant_id = item.tenant_id AND seen.name = item.agent_name
        OFFSET 0
    ) called ON item.agent_name IS NOT NULL AND named.id IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(named.whole, called.whole) AS whole) agent
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
    CROSS JOIN LATERAL (
        SELECT CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id END AS own
    ) new
    CROSS JOIN LATERAL (
        SELECT coalesce(new.own, referred.id, external.id) AS id, coalesce(new.own, referred.reference, external.reference) AS reference,
               coalesce(referred.external_id, external.external_id) AS external_id
    ) trace
    LEFT JOIN LATERAL (
        SELECT seen.authorizes_at_once FROM metering_policy seen WHERE seen.tenant_id = item.tenant_id OFFSET 0
    ) policy ON item.status IS NULL;

    IF different_keys < keys THEN
        -- Of several with one key the first that goes ahead is what the later ones repeat; a refused one doesn't burn its key for them.
        FOR again IN
            SELECT place, first FROM (
                SELECT ordinality AS place,
                    min(ordinality) FILTER (WHERE verdict IN ('posted', 'unnamed')) OVER (PARTITION BY tenant_id, idempotency_key) AS first
                FROM unnest(items, known) WITH ORDINALITY
                WHERE idempotency_key IS NOT NULL
            ) same
            WHERE place > first
        LOOP
            known[again.place].verdict := CASE
                WHEN items[again.place].digest = items[again.first].digest THEN 'replayed' ELSE 'conflict'
            END;
            known[again.place].first_id := items[again.first].id;
            known[again.place].first_digest := decode(items[again.first].digest, 'hex');
        END LOOP;
    END IF;
    RETURN known;
END
$$;

-- Services, agents and shared traces come into being with their first transaction. Sorted, so that two calls that make the same ones
-- wait for each other in one direction only; what another call made meanwhile is found by the next look.
CREATE FUNCTION metering_make_names(items metering_posting[], known metering_known[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO metering_service (id, tenant_id, name)
    SELECT DISTINCT ON (tenant_id, service_name) new_service_id, tenant_id, service_name
    FROM unnest(items, known) WHERE verdict = 'unnamed' AND service_id IS NULL ORDER BY tenant_id, service_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    INSERT INTO metering_agent (id, tenant_id, label, name, status)
    SELECT DISTINCT ON (tenant_id, agent_name) new_agent_id, tenant_id, agent_name, agent_name, 'active'
    FROM unnest(items, known) WHERE verdict = 'unnamed' AND agent IS NULL AND agent_name IS NOT NULL ORDER BY tenant_id, agent_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    -- A trace named by its UUID takes the external id along unless another trace has it or came first.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT wanted.new_trace_id, wanted.tenant_id, wanted.trace_reference,
        CASE WHEN wanted.turn = 1 AND NOT EXISTS (
            SELECT FROM metering_trace taken WHERE taken.tenant_id = wanted.tenant_id AND taken.external_id = wanted.trace_external_id
        ) THEN wanted.trace_external_id END
    FROM (
        SELECT once.*, row_number() OVER (PARTITION BY tenant_id, trace_external_id ORDER BY ordinality) AS turn
        FROM (
            SELECT DISTINCT ON (tenant_id, trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END)
                tenant_id, new_trace_id, trace_reference, trace_external_id, ordinality
            FROM unnest(items, known) WITH ORDINALITY
            WHERE verdict = 'unnamed' AND trace_id IS NULL
            ORDER BY tenant_id, trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END, ordinality
        ) once
    ) wanted
    WHERE wanted.trace_reference IS NOT NULL
    ORDER BY wanted.tenant_id, wanted.trace_reference
    ON CONFLICT (tenant_id, reference) DO NOTHING;

    -- A trace named by its external id alone.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT DISTINCT ON (item.tenant_id, item.trace_external_id) item.new_trace_id, item.tenant_id, item.new_trace_id, item.trace_external_id
    FROM unnest(items, known) WITH ORDINALITY item
    WHERE item.verdict = 'unnamed' AND item.trace_reference IS NULL AND item.trace_id IS NULL AND NOT EXISTS (
        SELECT FROM metering_trace taken WHERE taken.tenant_id = item.tenant_id AND taken.external_id = item.trace_external_id
    )
    ORDER BY item.tenant_id, item.trace_external_id, item.ordinality
    ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING;
END
$$;

-- Adds changes to the rollups, as before; in PL/pgSQL, because that keeps the plan of a statement and a function in SQL makes it anew for
-- each call. One change alone has nothing to be grouped with.
CREATE OR REPLACE FUNCTION metering_roll_up(deltas metering_delta[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    alone CONSTANT metering_delta := deltas[1];
BEGIN
    IF cardinality(deltas) = 1 THEN
        INSERT INTO metering_rollup AS kept (
            id, tenant_id, grain, starts_at, service_id, agent_id, currency, lane,
            transactions, succeeded, failed, denied, cancelled, costs, amount, estimated
        )
        SELECT gen_random_uuid(), alone.tenant_id, grain.name, date_trunc(grain.name, alone.occurred_at, 'UTC'),
            alone.service_id, alone.agent_id, alone.currency, pg_backend_pid() % 8,
            alone.transactions, alone.succeeded, alone.failed, alone.denied, alone.cancelled, alone.costs, alone.amount, alone.estimated
        FROM (VALUES ('day'), ('hour')) AS grain (name)
        ON CONFLICT (tenant_id, grain, starts_at, service_id, agent_id, currency, lane) DO UPDATE SET
            transactions = kept.transactions + excluded.transactions,
            succeeded = kept.succeeded + excluded.succeeded,
            failed = kept.failed + excluded.failed,
            denied = kept.denied + excluded.denied,
            cancelled = kept.cancelled + excluded.cancelled,
            costs = kept.costs + excluded.costs,
            amount = kept.amount + excluded.amount,
            estimated = kept.estimated + excluded.estimated;
        RETURN;
    END IF;
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

-- The form for arrays of metering_post (below). One statement writes all, so that each posting is taken out of the array once.
CREATE FUNCTION metering_post_many(postings jsonb) RETURNS SETOF metering_outcome LANGUAGE plpgsql AS $$
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

-- Records new transactions with their costs. One array, one database transaction, one outcome for each item, in order:
--   posted         a new row; the facts that the caller can't know are in the answer
--   replayed       the idempotency key was used before with the same facts: `id` is the first row's
--   conflict       the key was used before with other facts: `id` and `first_digest` are the first row's
--   unknown_agent  the agent named by id isn't the tenant's, and no name was given instead
-- A posting that comes alone, as nearly all do, and names what the book knows is written step by step, without the arrays that a thousand
-- need. Whatever wants a closer look goes to metering_post_many, which decides everything; a property test holds the two equal.
-- Where another call wins a key, or a trace's external id, between our look and our insert, the unique constraint ends the call with
-- nothing written; the caller repeats it.
CREATE FUNCTION metering_post(postings jsonb) RETURNS SETOF metering_outcome LANGUAGE plpgsql
-- The plans are kept from call to call and must stay good when the tables have grown: always index probes from the array's side.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    item metering_posting;
    service_id uuid;
    authorizes_at_once boolean;
    agent metering_agent;
    trace metering_trace;
    posted metering_transaction;
    cost metering_posted_cost;
    delta metering_delta;
    others metering_delta[] := '{}';
BEGIN
    IF jsonb_array_length(postings) = 1 THEN
        item := jsonb_populate_record(NULL::metering_posting, postings -> 0);
        SELECT seen.id, (SELECT policy.authorizes_at_once FROM metering_policy policy WHERE policy.tenant_id = item.tenant_id)
        INTO service_id, authorizes_at_once
        FROM metering_service seen WHERE seen.tenant_id = item.tenant_id AND seen.name = item.service_name;
        IF item.agent_id IS NOT NULL THEN
            SELECT * INTO agent FROM metering_agent seen
            WHERE seen.id = item.agent_id AND seen.tenant_id IS NOT DISTINCT FROM item.tenant_id;
        END IF;
        IF item.agent_name IS NOT NULL AND agent.id IS NULL THEN
            SELECT * INTO agent FROM metering_agent seen WHERE seen.tenant_id = item.tenant_id AND seen.name = item.agent_name;
        END IF;
        IF item.trace_reference IS NOT NULL THEN
            SELECT * INTO trace FROM metering_trace seen WHERE seen.tenant_id = item.tenant_id AND seen.reference = item.trace_reference;
        ELSIF item.trace_external_id IS NOT NULL THEN
            SELECT * INTO trace FROM metering_trace seen
            WHERE seen.tenant_id = item.tenant_id AND seen.external_id = item.trace_external_id;
        ELSE
            trace.id := item.new_trace_id;
            trace.reference := item.new_trace_id;
        END IF;

        IF service_id IS NOT NULL AND trace.id IS NOT NULL
            AND (agent.id IS NOT NULL OR (item.agent_id IS NULL AND item.agent_name IS NULL))
        THEN
            posted.status := metering_decided(item.status, agent, authorizes_at_once);
            posted.decline_reason := metering_decline_reason(item.status, agent);
            posted.created_at := clock_timestamp();
            posted.occurred_at := coalesce(item.occurred_at, posted.created_at);
            -- The unique index says whether the key was used before, so that the book need not be asked first.
            WITH booked AS (
                INSERT INTO metering_transaction (
                    id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id,
                    trace_id, status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
                    authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
                )
                VALUES (
                    item.id, item.tenant_id, posted.occurred_at, posted.created_at, posted.created_at, item.actor, item.request_id,
                    service_id, item.action_name, item.resource_name, agent.id, trace.id, posted.status, item.outcome,
                    posted.decline_reason, false, item.qualifiers::json, item.metadata::json, item.request_facts::json,
                    item.payment_data::json,
                    CASE WHEN posted.status IN ('authorized', 'completed') THEN posted.occurred_at END,
                    CASE posted.status WHEN 'denied' THEN posted.occurred_at END,
                    CASE posted.status WHEN 'cancelled' THEN posted.occurred_at END,
                    CASE posted.status WHEN 'completed' THEN coalesce(item.completed_at, posted.occurred_at) END,
                    item.idempotency_key, CASE WHEN item.idempotency_key IS NOT NULL THEN decode(item.digest, 'hex') END
                )
                ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
                RETURNING id
            ), own_trace AS (
                INSERT INTO metering_trace (id, tenant_id, reference)
                SELECT trace.id, item.tenant_id, trace.id FROM booked
                WHERE item.trace_reference IS NULL AND item.trace_external_id IS NULL
            )
            SELECT id INTO posted.id FROM booked;
        END IF;
    END IF;
    IF posted.id IS NULL THEN
        RETURN QUERY SELECT * FROM metering_post_many(postings);
        RETURN;
    END IF;

    INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
    VALUES (
        item.change_id, item.tenant_id, posted.occurred_at, posted.created_at, item.actor, item.request_id, posted.id, posted.status,
        coalesce(posted.decline_reason, '')
    );
    INSERT INTO metering_cost (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate, is_active,
        cost_details
    )
    SELECT cost.id, item.tenant_id, posted.occurred_at, posted.created_at, item.actor, item.request_id, posted.id, cost.amount,
        cost.currency, cost.is_estimate, true, cost.details::json
    FROM unnest(item.costs) cost;

    -- A transaction is counted under its first cost's currency, so that most need one row and not two.
    delta := ROW(
        item.tenant_id, posted.occurred_at, service_id, agent.id, coalesce(item.costs[1].currency, ''), 1,
        (item.outcome IS NOT DISTINCT FROM 'success')::int, (item.outcome IS NOT DISTINCT FROM 'error')::int,
        (posted.status = 'denied')::int, (posted.status = 'cancelled')::int, 0, 0, 0
    );
    FOREACH cost IN ARRAY coalesce(item.costs, '{}') LOOP
        IF cost.currency = delta.currency THEN
            delta.costs := delta.costs + 1;
            delta.amount := delta.amount + cost.amount;
            delta.estimated := delta.estimated + CASE WHEN cost.is_estimate THEN cost.amount ELSE 0 END;
        ELSE
            others := others || ROW(
                item.tenant_id, posted.occurred_at, service_id, agent.id, cost.currency, 0, 0, 0, 0, 0, 1, cost.amount,
                CASE WHEN cost.is_estimate THEN cost.amount ELSE 0 END
            )::metering_delta;
        END IF;
    END LOOP;
    PERFORM metering_roll_up(delta || others);
    RETURN NEXT ROW(
        'posted', NULL, NULL, posted.status, posted.decline_reason, posted.created_at, service_id, agent.id, agent.label, agent.name,
        agent.description, agent.status, agent.created_at, agent.updated_at, trace.reference, trace.external_id
    )::metering_outcome;
END
$$;
