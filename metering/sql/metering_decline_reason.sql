-- Why metering_decide_status denies a new transaction.
-- Takes: the status the caller states and the agent's status, as metering_decide_status does, and the agent's name.
-- Returns: the reason, or null where it doesn't deny. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_decline_reason(stated text, agent_status text, agent_name text)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN stated IS NULL AND agent_status = 'inactive' THEN format('Agent %s is inactive', agent_name) END
$$;
