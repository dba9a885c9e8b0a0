-- Called by metering_post and metering_post_in_order: records one new transaction in short statements, without the arrays of
-- metering_post_array. "Plain" is a posting that names a service, agent and trace which exist: spending rules and holds of payments are
-- decided here, by the functions of rules and paying.
-- Takes: the tenant, the posting, and `is_in_order`: whether metering_post_in_order calls, which decides one posting after another, and
-- adds to the sums and writes events itself.
-- Returns: the outcome `posted`; `needs_order` where metering_post_in_order must take it; or a null outcome, with nothing
-- written, where the posting names a service, agent or trace that doesn't exist yet, its time is out of bounds, or its key was used before.
-- For a null outcome metering_post takes metering_post_array, metering_post_in_order takes metering_refused_outcome.
-- Locks: as metering_post says; for a tenant with rules their counters (rules_decide_new) before anything is written.
-- Never: decides anything that metering_post_array doesn't decide by the same functions, but for what the tenant's rules and the holds of
-- payments decide.
CREATE OR REPLACE FUNCTION metering_post_single_if_plain(tenant uuid, item metering_posting, is_in_order boolean)
RETURNS metering_outcome
LANGUAGE plpgsql
AS $$
DECLARE
    service uuid;
    policy metering_policy;
    placed paying_hold_result;
    decision rules_decision;
    agent metering_found_agent;
    trace metering_trace;
    inserted_costs metering_new_cost[];
    is_used boolean;
    has_listener boolean;
    is_written boolean;
    occurred_at timestamptz;
    posted metering_outcome;
BEGIN
    SELECT service_row.id, policy_row.authorizes_at_once, policy_row.backdating_limit, policy_row.postdating_limit,
        coalesce(policy_row.has_rules, false), coalesce(policy_row.holds_estimates, false)
    INTO service, policy.authorizes_at_once, policy.backdating_limit, policy.postdating_limit, policy.has_rules, policy.holds_estimates
    FROM metering_service service_row LEFT JOIN metering_policy policy_row ON policy_row.tenant_id = tenant
    WHERE service_row.tenant_id = tenant AND service_row.name = item.service_name;
    IF (policy.has_rules OR policy.holds_estimates) AND NOT is_in_order THEN
        posted.outcome := 'needs_order';
        RETURN posted;
    END IF;
    IF item.agent_id IS NOT NULL THEN
        SELECT known.id, known.label, known.name, known.description, known.status, known.created_at, known.updated_at, known.customer_id
        INTO agent FROM metering_agent known WHERE known.tenant_id = tenant AND known.id = item.agent_id;
    END IF;
    IF item.agent_name IS NOT NULL AND agent.id IS NULL THEN
        SELECT known.id, known.label, known.name, known.description, known.status, known.created_at, known.updated_at, known.customer_id
        INTO agent FROM metering_agent known WHERE known.tenant_id = tenant AND known.name = item.agent_name;
    END IF;
    IF item.trace_reference IS NOT NULL THEN
        SELECT * INTO trace FROM metering_trace known WHERE known.tenant_id = tenant AND known.reference = item.trace_reference;
    ELSIF item.trace_external_id IS NOT NULL THEN
        SELECT * INTO trace FROM metering_trace known WHERE known.tenant_id = tenant AND known.external_id = item.trace_external_id;
    ELSE
        trace.id := item.new_trace_id;
        trace.reference := item.new_trace_id;
    END IF;
    -- A statement of its own: PL/pgSQL starts an executor for a condition with a query in it, even if the rest of the condition is false.
    IF policy.has_rules OR policy.holds_estimates THEN
        is_used := EXISTS (SELECT FROM metering_transaction transaction_row
            WHERE transaction_row.tenant_id = tenant AND transaction_row.idempotency_key = item.idempotency_key);
    END IF;
    IF is_used OR service IS NULL OR trace.id IS NULL OR (agent.id IS NULL AND (item.agent_id IS NOT NULL OR item.agent_name IS NOT NULL))
        OR item.checks_occurred_at
            AND metering_is_out_of_bounds(item.occurred_at, clock_timestamp(), policy.backdating_limit, policy.postdating_limit)
    THEN
        RETURN NULL;
    END IF;

    posted.status := metering_decide_status(item.status, item.call_outcome, agent.status, policy.authorizes_at_once);
    posted.decline_reason := metering_decline_reason(item.status, agent.status, agent.name);
    IF policy.has_rules THEN
        decision := rules_decide_new(tenant, rules_new_subject(
            item.id, item.service_name, item.action_name, item.resource_name, agent.id, agent.name, agent.customer_id, trace,
            item.customer_id, item.qualifiers::json, item.metadata::json, to_jsonb(item.costs)
        ), item.status IS NULL AND posted.status IN ('authorized', 'completed'));
        posted.status := CASE WHEN decision.status IN ('denied', 'preparing') THEN decision.status ELSE posted.status END;
        posted.decline_reason := CASE posted.status WHEN 'denied' THEN coalesce(decision.reason, posted.decline_reason) END;
    END IF;
    IF policy.holds_estimates AND item.status IS NULL AND posted.status = 'authorized' THEN
        placed := paying_hold_estimates(tenant, item.id, 1::smallint, item.customer_id, agent.customer_id, to_jsonb(item.costs),
            item.actor, item.request_id);
        posted.status := CASE WHEN placed.reason IS NULL THEN 'authorized' ELSE 'denied' END;
        posted.decline_reason := placed.reason;
        decision := rules_overrule(decision, placed.reason);
    END IF;
    posted.requires_payment := coalesce(cardinality(placed.payments) > 0, false);
    posted.created_at := clock_timestamp();
    occurred_at := coalesce(item.occurred_at, posted.created_at);
    posted.status_occurred_at := metering_status_occurred_at(posted.status, item.checks_occurred_at, item.decided_at,
        occurred_at, posted.created_at);
    -- The unique index tells whether the key was used before, which saves a look-up.
    WITH inserted AS (
        INSERT INTO metering_transaction (
            id, tenant_id, occurred_at, created_at, updated_at, actor, request_id, service_id, action_name, resource_name, agent_id,
            trace_id, status, outcome, decline_reason, requires_payment, qualifiers, metadata, request_facts, payment_data,
            customer_id, preparing_at, authorized_at, denied_at, cancelled_at, completed_at, idempotency_key, facts_digest
        ) VALUES (
            item.id, tenant, occurred_at, posted.created_at, posted.created_at, item.actor, item.request_id, service, item.action_name,
            item.resource_name, agent.id, trace.id, posted.status, CASE posted.status WHEN 'completed' THEN item.call_outcome END,
            posted.decline_reason, posted.requires_payment, item.qualifiers::json, item.metadata::json, item.request_facts::json,
            item.payment_data::json, item.customer_id, CASE posted.status WHEN 'preparing' THEN posted.status_occurred_at END,
            CASE WHEN posted.status IN ('authorized', 'completed') THEN posted.status_occurred_at END,
            CASE posted.status WHEN 'denied' THEN posted.status_occurred_at END,
            CASE posted.status WHEN 'cancelled' THEN posted.status_occurred_at END,
            CASE posted.status WHEN 'completed' THEN coalesce(item.completed_at, occurred_at) END,
            item.idempotency_key, decode(item.facts_digest, 'hex')
        )
        ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id
    ), own_trace AS (
        INSERT INTO metering_trace (id, tenant_id, reference)
        SELECT trace.id, tenant, trace.id FROM inserted WHERE item.trace_reference IS NULL AND item.trace_external_id IS NULL
    )
    -- The listener is looked up here because a statement of its own costs three times as much.
    SELECT id, EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) INTO posted.id, has_listener FROM inserted;
    IF posted.id IS NULL THEN
        PERFORM paying_abort_holding(placed) WHERE posted.requires_payment;
        RETURN NULL;
    END IF;

    inserted_costs := metering_costs_to_insert(posted.status, item.costs);
    -- An assignment, because PERFORM starts an executor: 12,000 instructions or more (docs/performance.md).
    is_written := metering_insert_parts(tenant, item, posted, inserted_costs, occurred_at);
    IF posted.requires_payment THEN
        PERFORM paying_insert_payments(tenant, placed);
    END IF;
    IF policy.has_rules THEN
        PERFORM rules_record_new(tenant, posted.id, posted.status, decision, item.actor, item.request_id, posted.created_at, occurred_at);
    END IF;
    IF NOT is_in_order THEN
        is_written := metering_roll_up(tenant,
            metering_new_deltas(occurred_at, service, agent.id, posted.status, item.call_outcome, inserted_costs));
        IF has_listener THEN
            PERFORM metering_write_events(tenant, item.request_id,
                ARRAY[(posted.id, posted.created_at, posted.status, false)::metering_change]);
        END IF;
    END IF;

    RETURN metering_posted_outcome(posted, service, agent, trace);
END
$$;
