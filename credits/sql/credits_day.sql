-- Takes: a moment. Returns: its day in UTC. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_day(moment timestamp with time zone) RETURNS date LANGUAGE sql IMMUTABLE
AS $$
    SELECT (moment AT TIME ZONE 'UTC')::date
$$;
