-- When a new transaction reached its first status. A call of the API that happened earlier is decided now, unless it is over. An
-- imported one was decided when it happened.
-- Takes: the status that it begins with; whether the API sent it (checks_occurred_at); when its file says that it was decided, or null;
-- when it happened; and the present moment. Returns: the moment. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION metering_status_occurred_at(
    status text, checks_occurred_at boolean, decided_at timestamptz, occurred_at timestamptz, moment timestamptz
)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN checks_occurred_at AND status <> 'completed' THEN moment ELSE coalesce(decided_at, occurred_at) END
$$;
