-- The day of a moment in UTC: of daily totals, and of what a grant's first and last day are compared with.
--
-- Takes: a moment. Returns: the day. Locks: nothing. Never: reads a table. IMMUTABLE and one expression, so PostgreSQL puts that into the
-- statement, also where an index or a GROUP BY has it.
CREATE OR REPLACE FUNCTION ledger_day(moment timestamp with time zone) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (moment AT TIME ZONE 'UTC')::date
$$;
