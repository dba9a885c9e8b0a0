-- Takes: the moment of a change, read under the lock of its account. Returns: its microseconds since 1970, which order the events of an
-- account that has no numbers of its own. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION events_moment_number(moment timestamp with time zone) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (extract(epoch FROM moment) * 1000000)::bigint
$$;
