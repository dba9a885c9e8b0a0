-- Decides on one further round of authorization of a transaction that the caller (metering_reauthorize) has locked.
-- The agent and the policy decide as in metering_decide_status, but that a round waits as `preparing` where a new transaction is `pending`.
-- Takes: the tenant and the item.
-- Returns: the outcome, as metering_reauthorize says, and the changes to the sums.
-- Locks: the counters of the tenant's spending rules (rules_decide); what its earlier payments hold, and the money of the new one
-- (metering_replace_payments, paying_hold_challenge).
-- Never: writes anything unless the outcome is `posted`. A round that is authorized at once changes no status, only its time.
CREATE OR REPLACE FUNCTION metering_reauthorize_single(tenant uuid, item metering_reauthorization)
RETURNS metering_amended
LANGUAGE plpgsql
AS $$
DECLARE
    owner metering_transaction;
    policy metering_policy;
    agent metering_found_agent;
    subject rules_subject;
    decision rules_decision;
    request rules_authorizationrequest;
    step metering_amendment;
    placed paying_hold_result;
    reply metering_amend_outcome;
    amended metering_amended;
BEGIN
    amended.deltas := '{}';
    SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = item.transaction_id;
    reply := metering_find_round(tenant, item, owner.round);
    IF reply.outcome IS NULL THEN
        reply.status := owner.status;
        reply.outcome := CASE
            WHEN owner.id IS NULL THEN 'not_found'
            WHEN owner.status = 'completed' THEN 'completed'
            WHEN owner.status <> 'authorized' THEN 'wrong_status'
        END;
        IF reply.outcome IS NULL AND owner.requires_payment THEN
            reply.id := paying_find_presented(tenant, owner.id, true);
            reply.outcome := CASE WHEN reply.id IS NOT NULL THEN 'in_progress' END;
        END IF;
    END IF;
    IF reply.outcome IS NOT NULL THEN
        amended.reply := reply;
        RETURN amended;
    END IF;

    SELECT * INTO policy FROM metering_policy policy_row WHERE policy_row.tenant_id = tenant;
    SELECT agent_row.id, agent_row.label, agent_row.name, agent_row.description, agent_row.status,
        agent_row.created_at, agent_row.updated_at, agent_row.customer_id
    INTO agent FROM metering_agent agent_row WHERE agent_row.tenant_id = tenant AND agent_row.id = owner.agent_id;
    IF agent.status = 'inactive' THEN
        decision.status := 'denied';
        decision.reason := metering_decline_reason(NULL, agent.status, agent.name);
    ELSIF policy.authorizes_at_once IS FALSE THEN
        decision.status := 'preparing';
    ELSIF policy.has_rules THEN
        subject := rules_read_subject(tenant, owner.id);
        subject.round := owner.round + 1;
        subject.payment := item.payment::json;
        subject.payment_amount := item.amount;
        subject.payment_currency := item.currency;
        decision := rules_decide(tenant, subject, NULL, NULL);
    ELSE
        decision.status := 'authorized';
    END IF;
    request.id := item.id;
    request.transaction_id := owner.id;
    request.round := owner.round + 1;
    request.actor := item.actor;
    request.request_id := item.request_id;
    request.payment := item.payment::json;
    request.payment_amount := item.amount;
    request.payment_currency := item.currency;
    request.challenge_digest := decode(item.challenge_digest, 'hex');
    request.idempotency_key := item.idempotency_key;
    request.facts_digest := decode(item.facts_digest, 'hex');
    reply.created_at := GREATEST(clock_timestamp(), owner.updated_at);
    IF owner.requires_payment THEN
        PERFORM paying_lock_counters_and_money(tenant, ARRAY[owner.id], coalesce(policy.has_rules, false));
        amended.deltas := amended.deltas || metering_replace_payments(
            tenant, owner, item.currency, item.actor, item.request_id, reply.created_at
        );
    END IF;
    IF decision.status = 'authorized' THEN
        placed := paying_hold_challenge(tenant, owner, request, item.actor, item.request_id);
        decision := rules_overrule(decision, placed.reason);
    END IF;
    decision.decided_at := coalesce(decision.decided_at, reply.created_at);
    request.created_at := reply.created_at;
    PERFORM rules_write_decision(tenant, request, decision);
    IF decision.status = 'authorized' THEN
        UPDATE metering_transaction stored SET round = owner.round + 1, authorized_at = reply.created_at, updated_at = reply.created_at
        WHERE stored.tenant_id = tenant AND stored.id = owner.id;
        PERFORM paying_insert_payments(tenant, placed);
        amended.deltas := amended.deltas || metering_write_payment_cost(
            tenant, owner, (placed.payments[1]).id, item.actor, item.request_id, reply.created_at
        );
    ELSE
        step.transaction_id := owner.id;
        step.actor := item.actor;
        step.request_id := item.request_id;
        -- The round's row has the digest of what its caller stated. Of the step and its costs the caller stated nothing.
        step.facts_digest := metering_no_facts_digest();
        step.move.id := item.change_id;
        step.move.to_status := decision.status;
        step.move.reason := decision.reason;
        step.move.round := owner.round + 1;
        PERFORM metering_insert_move(tenant, step, owner, reply.created_at);
        amended.deltas := amended.deltas || metering_move_delta(owner, step.move);
        IF decision.status = 'denied' THEN
            amended.deltas := amended.deltas || metering_void_estimates(tenant, step, owner, reply.created_at);
            IF owner.requires_payment THEN
                amended.deltas := amended.deltas || metering_capture_or_release_payments(tenant, owner, step, reply.created_at, false);
            END IF;
        END IF;
    END IF;
    reply.outcome := 'posted';
    reply.id := item.id;
    reply.status := decision.status;
    amended.reply := reply;
    RETURN amended;
END
$$;
