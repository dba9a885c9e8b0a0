-- Which of the given transactions a measure counts now: authorized, within its window, and of its scope.
-- Takes: the tenant, the measure, and the transactions (null: all of the tenant's; only the proof asks so).
-- Returns: of each its id, when it was authorized, and the transaction as rules see it. Locks: nothing.
-- What the rules decided is dated by that, other transactions as rules_authorized_at says.
CREATE OR REPLACE FUNCTION rules_list_history(tenant uuid, measure rules_rulemeasure, transactions uuid[])
RETURNS TABLE (id uuid, dated timestamptz, subject rules_subject)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    tail CONSTANT timestamptz := (rules_window(measure, ledger_now())).tail_at;
BEGIN
    RETURN QUERY
    SELECT past.id, past.dated, past.subject
    FROM (
        SELECT owner.id, coalesce(decided.at, rules_authorized_at(owner)) AS dated, rules_read_subject(tenant, owner.id) AS subject
        FROM metering_transaction AS owner
        LEFT JOIN LATERAL (
            SELECT max(request.decided_at) AS at FROM rules_authorizationrequest AS request
            WHERE request.tenant_id = tenant AND request.transaction_id = owner.id AND request.status = 'authorized'
        ) AS decided ON true
        WHERE owner.tenant_id = tenant AND (transactions IS NULL OR owner.id = ANY (transactions))
            AND coalesce(decided.at, rules_authorized_at(owner)) > tail
        OFFSET 0
    ) AS past
    WHERE (measure.scope = 'all' OR rules_matches(past.subject, measure.conditions::jsonb, measure.agent_ids))
        AND (measure.measurement_type <> 'sum_payment_amount' OR (past.subject).payment_amount IS NOT NULL);
END
$$;
