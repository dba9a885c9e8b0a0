-- The state machine: whence a status may be reached.
CREATE OR REPLACE FUNCTION metering_may_move(earlier text, later text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT (earlier, later) IN (
        ('pending', 'preparing'),
        ('preparing', 'authorized'),
        ('preparing', 'denied'),
        ('authorized', 'completed'),
        ('pending', 'cancelled'),
        ('preparing', 'cancelled'),
        ('authorized', 'cancelled')
    )
$$;
