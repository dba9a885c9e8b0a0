-- The window of a measure at a moment.
-- Takes: the measure and the moment. Returns: the span. Locks: nothing.
-- Rolling windows of seconds to weeks are of constant length; of months, they begin at the same local time so many months ago, or, where
-- that month is too short, at its end. Calendar windows of n units are counted from 1970 (weeks from Monday 5 January 1970): units up to
-- the hour in UTC, days, weeks and months in the measure's time zone.
CREATE OR REPLACE FUNCTION rules_window(measure rules_rulemeasure, moment timestamptz)
RETURNS rules_span
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    span rules_span;
    length CONSTANT numeric := measure.interval_value * CASE measure.interval_unit
        WHEN 'seconds' THEN 1 WHEN 'minutes' THEN 60 WHEN 'hours' THEN 3600 WHEN 'days' THEN 86400 WHEN 'weeks' THEN 604800 END;
    local_time CONSTANT timestamp := moment AT TIME ZONE measure.time_zone;
    back timestamp;
    first_day date;
    number integer;
    last_day date;
BEGIN
    IF measure.is_rolling AND measure.interval_unit <> 'months' THEN
        span.tail_at := moment - make_interval(secs => length);
    ELSIF measure.is_rolling THEN
        back := local_time - make_interval(months => measure.interval_value);
        span.tail_at := CASE
            WHEN extract(day FROM back) = extract(day FROM local_time) THEN back AT TIME ZONE measure.time_zone
            ELSE rules_midnight(back::date + 1, measure.time_zone) - interval '1 microsecond'
        END;
    ELSIF measure.interval_unit IN ('seconds', 'minutes', 'hours') THEN
        span.ends_at := to_timestamp((floor(extract(epoch FROM moment) / length) + 1) * length);
        span.tail_at := span.ends_at - make_interval(secs => length) - interval '1 microsecond';
    ELSE
        IF measure.interval_unit = 'months' THEN
            number := (extract(year FROM local_time) - 1970) * 12 + extract(month FROM local_time) - 1;
            number := floor(number::numeric / measure.interval_value) * measure.interval_value;
            first_day := date '1970-01-01' + make_interval(months => number);
            last_day := date '1970-01-01' + make_interval(months => number + measure.interval_value);
        ELSE
            first_day := CASE measure.interval_unit WHEN 'weeks' THEN date '1970-01-05' ELSE date '1970-01-01' END;
            number := measure.interval_value * CASE measure.interval_unit WHEN 'weeks' THEN 7 ELSE 1 END;
            first_day := first_day + (floor((local_time::date - first_day)::numeric / number) * number)::integer;
            last_day := first_day + number;
        END IF;
        span.tail_at := rules_midnight(first_day, measure.time_zone) - interval '1 microsecond';
        span.ends_at := rules_midnight(last_day, measure.time_zone);
    END IF;
    RETURN span;
END
$$;
