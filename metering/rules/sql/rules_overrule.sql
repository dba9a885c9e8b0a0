-- The decision on a transaction that the rules allowed, where there may be no money for it.
-- Takes: the decision (without a status where no rule was asked), and why it is denied, or null. Returns: the decision. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_overrule(decision rules_decision, why text)
RETURNS rules_decision
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF decision.status IS NOT NULL AND why IS NOT NULL THEN
        decision.status := 'denied';
        decision.reason := why;
    END IF;
    RETURN decision;
END
$$;
