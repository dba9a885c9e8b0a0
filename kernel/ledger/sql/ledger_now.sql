-- Takes: nothing. Returns: the present moment, not the one at which the database transaction began. Locks: nothing. Never: reads a table.
-- Functions call it under their locks: by it holds and payments are overdue, grants are over, and windows of rules begin. Tests that move
-- the clock replace it (tests/database_clock.py).
CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamp with time zone LANGUAGE sql VOLATILE
AS $$
    SELECT clock_timestamp()
$$;
