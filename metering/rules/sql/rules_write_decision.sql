-- Writes a decision: the round of authorization, its denials, and, where it authorizes, what the transaction adds to the counters.
-- Takes: the tenant; the round, whose id, transaction_id, round, actor, request_id and created_at the caller has set, and of a further
-- round the payment and its keys; and the decision (all null: the tenant decides later).
-- Returns: nothing.
-- Locks: the counters, which rules_decide has locked. A round that waited keeps its row. Never: counts what isn't authorized.
CREATE OR REPLACE FUNCTION rules_write_decision(tenant uuid, request rules_authorizationrequest, decision rules_decision)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    request_row uuid;
BEGIN
    INSERT INTO rules_authorizationrequest AS stored (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, round, status, decline_reason, executions, rule_ids,
        passes_at, decided_at, updated_at, payment, payment_amount, payment_currency, challenge_digest, idempotency_key, facts_digest
    ) VALUES (
        request.id, tenant, request.created_at, request.created_at, request.actor, request.request_id, request.transaction_id,
        request.round, coalesce(decision.status, 'preparing'), decision.reason, coalesce(decision.executions, '[]'),
        coalesce(decision.rule_ids, '{}'), decision.passes_at, CASE WHEN decision.status <> 'preparing' THEN decision.decided_at END,
        request.created_at, request.payment, request.payment_amount, request.payment_currency, request.challenge_digest,
        request.idempotency_key, request.facts_digest
    )
    ON CONFLICT (tenant_id, transaction_id, round) DO UPDATE SET
        status = excluded.status, decline_reason = excluded.decline_reason, executions = excluded.executions,
        rule_ids = excluded.rule_ids, passes_at = excluded.passes_at, decided_at = excluded.decided_at, updated_at = excluded.updated_at
    WHERE stored.tenant_id = tenant
    RETURNING stored.id INTO request_row;
    IF decision.status = 'authorized' THEN
        PERFORM rules_enter_into_counters(
            tenant, request.transaction_id, decision.measured, decision.decided_at, decision.decided_at, request.request_id
        );
        RETURN;
    END IF;
    PERFORM rules_move_tails(tenant, decision.measured, decision.decided_at);
    INSERT INTO rules_ruleexecution (
        id, tenant_id, rule_id, rule_version, transaction_id, request_id, reason, created_at
    )
    SELECT (one ->> 'id')::uuid, tenant, (one ->> 'rule')::uuid, (one ->> 'version')::integer, request.transaction_id, request_row,
        one ->> 'reason', request.created_at
    FROM jsonb_array_elements(decision.executions) AS one
    WHERE one ->> 'decision' = 'DENIED';
    IF decision.status = 'denied' AND EXISTS (SELECT FROM events_listener AS listener WHERE listener.tenant_id = tenant) THEN
        PERFORM rules_report_denials(tenant, request.request_id, decision.executions, request.created_at);
    END IF;
END
$$;
