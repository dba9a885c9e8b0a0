-- Why metering_decide_status denies a new transaction.
-- Takes: the status the caller states and the agent's row, as metering_decide_status does.
-- Returns: the reason, or null where it doesn't deny. Locks nothing.
CREATE OR REPLACE FUNCTION metering_decline_reason(stated text, agent metering_agent)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN stated IS NULL AND agent.status = 'inactive' THEN format('Agent %s is inactive', agent.name) END
$$;
