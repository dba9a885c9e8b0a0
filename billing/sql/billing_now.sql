-- Takes: nothing. Returns: the present moment, not the one at which the database transaction began. Locks: nothing. Never: reads a table.
-- By it holds are overdue. Functions call it under their locks. Tests that move the clock replace it (tests/database_clock.py).
CREATE OR REPLACE FUNCTION billing_now() RETURNS timestamp with time zone LANGUAGE sql
AS $$
    SELECT clock_timestamp()
$$;
