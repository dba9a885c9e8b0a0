-- The present moment. A function of its own, so that tests can move the time (tests/database_clock.py).
-- Takes: nothing. Returns: the moment. Locks nothing: callers call it under their locks.
CREATE OR REPLACE FUNCTION paying_now()
RETURNS timestamptz
LANGUAGE sql VOLATILE
AS $$
    SELECT clock_timestamp()
$$;
