-- The first instant of a day in a time zone. Where the clocks jump over midnight, that is the instant after the jump; where midnight comes
-- twice, the first.
-- Takes: the day and the IANA zone. Returns: the instant. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_midnight(day date, zone text)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT min(candidate)
    FROM (SELECT (day::timestamp AT TIME ZONE zone) - earlier AS candidate FROM unnest('{0,30 min,1 h}'::interval[]) AS earlier) AS tried
    WHERE (candidate AT TIME ZONE zone)::date >= day
$$;
