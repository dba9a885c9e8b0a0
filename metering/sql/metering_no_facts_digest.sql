-- The digest of a row that a payment or its authorization wrote. No caller stated any of its facts.
-- Takes: nothing. Returns: hexadecimal zeros for one fact, because a shorter digest says of every further fact that it was not given.
-- Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION metering_no_facts_digest()
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT repeat('0', 16)
$$;
