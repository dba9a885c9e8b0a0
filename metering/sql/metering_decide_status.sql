-- The authorization decision: with which status a new transaction begins.
-- Takes: the status that a file states (else null), the outcome of a call that is over (else null), the agent's status (null without an
-- agent), and the tenant's policy (null where the tenant has none). A call that is over isn't left to a later decision.
-- Returns: the status. Locks: nothing. metering_reauthorize_single decides likewise. metering_decline_reason gives the reason of a denial.
CREATE OR REPLACE FUNCTION metering_decide_status(stated text, call_outcome text, agent_status text, authorizes_at_once boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN stated IS NOT NULL THEN stated
        WHEN agent_status = 'inactive' THEN 'denied'
        WHEN call_outcome IS NOT NULL THEN 'completed'
        WHEN authorizes_at_once IS FALSE THEN 'pending'
        ELSE 'authorized'
    END
$$;
