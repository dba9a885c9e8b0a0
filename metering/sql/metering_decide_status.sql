-- The authorization decision: with which status a new transaction begins.
-- Takes: the status the caller states (null unless the transaction is already over), the agent's row (null without an agent), and the
-- tenant's policy (null where the tenant has none).
-- Returns: the status. Locks nothing. metering_decline_reason gives the reason of a denial.
CREATE OR REPLACE FUNCTION metering_decide_status(stated text, agent metering_agent, authorizes_at_once boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN stated IS NOT NULL THEN stated
        WHEN agent.status = 'inactive' THEN 'denied'
        WHEN authorizes_at_once IS FALSE THEN 'pending'
        ELSE 'authorized'
    END
$$;
