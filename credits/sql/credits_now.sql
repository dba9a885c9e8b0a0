-- Takes: nothing. Returns: the present moment. Locks: nothing. Never: the moment at which the transaction began.
-- Functions call it once, under their locks. Tests that travel in time replace it (tests/database_clock.py).
CREATE OR REPLACE FUNCTION credits_now() RETURNS timestamp with time zone LANGUAGE sql
AS $$
    SELECT clock_timestamp()
$$;
