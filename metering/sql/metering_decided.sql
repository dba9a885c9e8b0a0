-- Whether a transaction may go ahead, and why not. What is over already says itself how it went.
CREATE OR REPLACE FUNCTION metering_decided(status text, agent metering_agent, authorizes_at_once boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN status IS NOT NULL THEN status
        WHEN agent.status = 'inactive' THEN 'denied'
        WHEN authorizes_at_once IS FALSE THEN 'pending'
        ELSE 'authorized'
    END
$$;
