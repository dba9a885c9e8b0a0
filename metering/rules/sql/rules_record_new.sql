-- Writes the decision on a transaction that was just recorded. One that no rule decides, because it was over already or a file says that it
-- was authorized, is counted by when it happened, and may push a counter over its limit.
--
-- Takes: the tenant, the transaction and its status, the decision (rules_decide_new), who recorded it, when it was recorded, and when it
-- happened.
-- Returns: nothing.
-- Locks: the counters, which rules_decide_new has locked.
-- Never: counts what isn't authorized.
CREATE OR REPLACE FUNCTION rules_record_new(
    tenant uuid, transaction uuid, status text, decision rules_decision, actor text, request_id text, recorded_at timestamptz,
    occurred_at timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    request rules_authorizationrequest;
BEGIN
    IF decision.status IS NOT NULL THEN
        request.id := ledger_new_id();
        request.transaction_id := transaction;
        request.round := 1;
        request.actor := actor;
        request.request_id := request_id;
        request.created_at := recorded_at;
        PERFORM rules_write_decision(tenant, request, decision);
    ELSIF status IN ('authorized', 'completed', 'cancelled') THEN
        PERFORM rules_enter_into_counters(tenant, transaction, decision.measured, occurred_at, decision.decided_at, request_id);
    END IF;
END
$$;
