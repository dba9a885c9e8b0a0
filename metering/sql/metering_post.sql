-- Records new transactions with their costs. One array, one database transaction, one outcome for each item, in order:
--   posted         a new row; the facts that the caller can't know are in the answer
--   replayed       the idempotency key was used before with the same facts: `id` is the first row's
--   conflict       the key was used before with other facts: `id` and `first_digest` are the first row's
--   unknown_agent  the agent named by id isn't the tenant's, and no name was given instead
-- A posting that comes alone, as nearly all do, and names what the book knows is written step by step, without the arrays that a thousand
-- need. Whatever wants a closer look goes to metering_post_many, which decides everything; a property test holds the two equal.
-- Where another call wins a key, or a trace's external id, between our look and our insert, the unique constraint ends the call with
-- nothing written; the caller repeats it.
CREATE OR REPLACE FUNCTION metering_post(postings jsonb)
RETURNS SETOF metering_outcome
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
SET plan_cache_mode = force_generic_plan
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
