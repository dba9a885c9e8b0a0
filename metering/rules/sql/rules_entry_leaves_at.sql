-- When an entry that was made at `at` leaves a measure's window: the first moment at which it doesn't count.
-- Takes: the measure and the date. Returns: the moment. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_entry_leaves_at(measure rules_rulemeasure, at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    leaves timestamptz;
    ahead CONSTANT timestamp := (at AT TIME ZONE measure.time_zone) + make_interval(months => measure.interval_value);
BEGIN
    IF NOT measure.is_rolling THEN
        RETURN (rules_window(measure, at)).ends_at;
    END IF;
    IF measure.interval_unit = 'months' THEN
        leaves := ahead AT TIME ZONE measure.time_zone;
        -- The last days of a long month leave together with the short month that follows.
        RETURN CASE
            WHEN (rules_window(measure, leaves)).tail_at >= at THEN leaves
            ELSE rules_midnight((date_trunc('month', ahead) + interval '1 month')::date, measure.time_zone)
        END;
    END IF;
    RETURN at + (at - (rules_window(measure, at)).tail_at);
END
$$;
