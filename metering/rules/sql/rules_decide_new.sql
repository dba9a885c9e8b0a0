-- Decides on a transaction that is about to be recorded, or, where nothing is to be decided, locks and reads what it will be counted by.
-- Takes: the tenant, the transaction, and whether it asks for authorization.
-- Returns: the decision; without a status where nothing was asked. rules_record_new writes it once the transaction stands.
-- Locks: the counters (rules_lock_counters). Never: counts anything.
CREATE OR REPLACE FUNCTION rules_decide_new(tenant uuid, subject rules_subject, asks boolean)
RETURNS rules_decision
LANGUAGE plpgsql
AS $$
DECLARE
    decision rules_decision;
BEGIN
    IF asks THEN
        RETURN rules_decide(tenant, subject, NULL, NULL);
    END IF;
    decision.measured := rules_lock_counters(tenant, rules_amounts_by_measure(tenant, subject), NULL);
    decision.decided_at := rules_decision_moment(tenant, decision.measured);
    decision.measured := rules_read_counters(tenant, subject.transaction_id, decision.measured, decision.decided_at);
    RETURN decision;
END
$$;
