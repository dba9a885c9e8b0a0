-- The state machine: whether a transaction may go from one status to another. metering.choices.MOVES is a copy for Python;
-- tests/metering/test_lifecycle.py holds the two equal.
-- Takes: two statuses. Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_may_move(from_status text, to_status text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (from_status, to_status) IN (
        ('pending', 'preparing'),
        ('preparing', 'authorized'),
        ('preparing', 'denied'),
        ('authorized', 'completed'),
        ('pending', 'cancelled'),
        ('preparing', 'cancelled'),
        ('authorized', 'cancelled')
    )
$$;
