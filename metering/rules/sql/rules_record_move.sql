-- Writes what became of a round of authorization that waited for a decision.
--
-- Takes: the tenant, the transaction's row before its move, the status it moves to and why, the decision of the rules (without a status
-- where they weren't asked), who moved it, and the moment.
-- Returns: nothing. What a file says to have been authorized is counted by when it happened.
-- Locks: the counters, which the decision has locked.
-- Never: counts what isn't authorized.
CREATE OR REPLACE FUNCTION rules_record_move(
    tenant uuid, owner metering_transaction, to_status text, reason text, decision rules_decision, actor text, request_id text,
    moment timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    request rules_authorizationrequest;
BEGIN
    IF decision.status IS NOT NULL THEN
        request.id := ledger_new_id();
        request.transaction_id := owner.id;
        request.round := owner.round;
        request.actor := actor;
        request.request_id := request_id;
        request.created_at := moment;
        PERFORM rules_write_decision(tenant, request, decision);
        RETURN;
    END IF;
    IF decision.decided_at IS NOT NULL THEN
        PERFORM rules_enter_into_counters(tenant, owner.id, decision.measured, owner.occurred_at, decision.decided_at, request_id);
    END IF;
    UPDATE rules_authorizationrequest AS stored
    SET status = CASE to_status WHEN 'authorized' THEN 'authorized' ELSE 'denied' END, decided_at = moment, updated_at = moment,
        decline_reason = CASE WHEN to_status <> 'authorized' THEN coalesce(nullif(reason, ''), to_status) END
    WHERE stored.tenant_id = tenant AND stored.transaction_id = owner.id AND stored.round = owner.round AND stored.status = 'preparing';
END
$$;
