-- Takes: nothing. Returns: the present moment, not the one at which the database transaction began. Locks: nothing.
-- Functions call it once, under their locks. Tests that move the clock replace it (tests/database_clock.py).
CREATE OR REPLACE FUNCTION credits_now() RETURNS timestamp with time zone LANGUAGE sql
AS $$
    SELECT clock_timestamp()
$$;
