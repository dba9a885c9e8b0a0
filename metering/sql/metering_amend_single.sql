-- Adds one item to its transaction, which the caller (metering_amend) has locked.
-- Takes: the tenant, the item, whose key is new, and the tenant's policy: has_rules and holds_estimates are never null.
-- Returns: the outcome, as metering_amend says, and the changes to the sums.
-- Locks: the counters of the tenant's rules, where it authorizes; the money of payments (paying_hold_all_or_none,
-- metering_capture_or_release_payments); the costs that it supersedes, which nobody else can hold, because their transaction is locked.
-- Never: writes anything unless the outcome is `posted`.
CREATE OR REPLACE FUNCTION metering_amend_single(tenant uuid, item metering_amendment, policy metering_policy)
RETURNS metering_amended
LANGUAGE plpgsql
AS $$
DECLARE
    owner metering_transaction;
    superseded metering_supersession;
    amended metering_amended;
    reply metering_amend_outcome;
    decision rules_decision;
    placed paying_hold_result;
BEGIN
    amended.deltas := '{}';
    SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = item.transaction_id;
    -- Read under the lock. A clock that was set back doesn't put a change before the transaction's last one.
    reply.created_at := GREATEST(clock_timestamp(), owner.updated_at);
    reply.status := owner.status;
    reply.outcome := metering_refuse_amendment(owner, item, reply.created_at, policy);
    IF reply.outcome IS NULL AND owner.requires_payment AND (item.move).to_status = 'cancelled' THEN
        reply.id := paying_find_presented(tenant, owner.id, false);
        reply.outcome := CASE WHEN reply.id IS NULL THEN NULL WHEN (item.move).stale_after IS NULL THEN 'presented' ELSE 'not_stale' END;
    END IF;
    IF reply.outcome IS NULL AND (item.cost).id IS NOT NULL THEN
        superseded := metering_choose_superseded_costs(tenant, item);
        reply.outcome := superseded.outcome;
    END IF;
    IF reply.outcome IS NULL AND policy.has_rules AND (item.move).to_status = 'authorized' THEN
        decision := rules_decide_move(
            tenant, owner.id, coalesce((item.move).asks_rules, false), (item.move).overruled, (item.move).override::jsonb
        );
        item.move.to_status := CASE decision.status WHEN 'denied' THEN 'denied' ELSE 'authorized' END;
        item.move.reason := coalesce(decision.reason, (item.move).reason);
        reply.outcome := CASE decision.status WHEN 'preparing' THEN 'needs_person' END;
        reply.created_at := GREATEST(clock_timestamp(), reply.created_at);
    END IF;
    IF reply.outcome IS NULL AND (policy.holds_estimates OR owner.round > 1) AND (item.move).to_status = 'authorized'
        AND (item.move).asks_rules
    THEN
        placed := paying_hold_at_authorization(tenant, policy.holds_estimates, owner, item.actor, item.request_id);
        IF placed.reason IS NOT NULL THEN
            item.move.to_status := 'denied';
            item.move.reason := placed.reason;
            decision := rules_overrule(decision, placed.reason);
        END IF;
        reply.created_at := GREATEST(clock_timestamp(), reply.created_at);
    END IF;
    IF reply.outcome IS NOT NULL THEN
        amended.reply := reply;
        RETURN amended;
    END IF;

    IF (item.move).id IS NOT NULL THEN
        PERFORM metering_insert_move(tenant, item, owner, reply.created_at);
        amended.deltas := amended.deltas || metering_move_delta(owner, item.move);
        IF owner.status = 'preparing' AND (policy.has_rules OR owner.round > 1) THEN
            PERFORM rules_record_move(
                tenant, owner, (item.move).to_status, (item.move).reason, decision, item.actor, item.request_id, reply.created_at
            );
        END IF;
        reply.change_id := (item.move).id;
        reply.status := (item.move).to_status;
        IF reply.status IN ('denied', 'cancelled') THEN
            amended.deltas := amended.deltas || metering_void_estimates(tenant, item, owner, reply.created_at);
        END IF;
    END IF;
    IF (item.fact).id IS NOT NULL THEN
        reply.fact_id := (item.fact).id;
        reply.pricing := coalesce(superseded.pricing, (item.fact).pricing);
        reply.pricing_note := left(concat_ws('; ', nullif((item.fact).pricing_note, ''), superseded.note), 512);
        reply.pricing_fields := (item.fact).pricing_fields;
        INSERT INTO metering_fact (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, integration, call_id,
            pricing, pricing_note, pricing_fields, idempotency_key, facts_digest
        ) VALUES (
            reply.fact_id, tenant, coalesce(item.occurred_at, reply.created_at), reply.created_at, item.actor, item.request_id,
            owner.id, (item.fact).source, (item.fact).version, (item.fact).phase, (item.fact).facts::json,
            (item.fact).integration::json, (item.fact).call_id, reply.pricing, reply.pricing_note, reply.pricing_fields::json,
            item.idempotency_key, decode(item.facts_digest, 'hex')
        );
    END IF;
    IF (item.cost).id IS NOT NULL AND superseded.pricing IS NULL THEN
        reply.cost_id := (item.cost).id;
        amended.deltas := amended.deltas || metering_insert_cost(tenant, item, owner, superseded.costs, reply.created_at);
    END IF;
    IF cardinality(placed.payments) > 0 AND placed.reason IS NULL THEN
        PERFORM paying_insert_payments(tenant, placed);
        IF (placed.payments[1]).kind = 'x402' THEN
            amended.deltas := amended.deltas || metering_write_payment_cost(
                tenant, owner, (placed.payments[1]).id, item.actor, item.request_id, reply.created_at
            );
        END IF;
    ELSIF policy.holds_estimates OR owner.requires_payment THEN
        amended.deltas := amended.deltas || metering_capture_or_release_payments(
            tenant, owner, item, reply.created_at, policy.holds_estimates
        );
    END IF;
    reply.outcome := 'posted';
    reply.occurred_at := coalesce(item.occurred_at, reply.created_at);
    amended.reply := reply;
    RETURN amended;
END
$$;
