CREATE OR REPLACE FUNCTION metering_decline_reason(status text, agent metering_agent) RETURNS text LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN status IS NULL AND agent.status = 'inactive' THEN format('Agent %s is inactive', agent.name) END
$$;
