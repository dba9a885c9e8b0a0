-- The number that possible duplicates share: their hour, then 32 bits of a hash of type, amount and agent.
--
-- Takes: an hour (billing_hour) and the three facts that make two entries alike. Returns: the number. Locks: nothing. Never: reads a table.
--
-- The hour comes first so that the index on this column grows at its end. A bare hash would touch another page for each entry.
CREATE OR REPLACE FUNCTION billing_duplicate_bucket(hour bigint, type text, amount numeric, agent_id text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (hour << 32) | (hash_record_extended(ROW(type, amount, agent_id), 0) & 4294967295)
$$;
