-- The sums that the usage of one transaction counts in: by each two of the dimensions, by each one and by none, by the month, the day
-- and the hour.
-- Takes: the numbers of the dimensions in ascending order, the usage's values by number, when it occurred and when it was recorded.
-- Returns: one row for each sum. Locks nothing. Sums by the hour are kept of single dimensions, and of pairs of service (1), action (2),
-- model (4) and agent (5): the others have nearly as many values within an hour as there are transactions, which are read instead.
CREATE OR REPLACE FUNCTION metering_usage_places(numbers smallint[], vals jsonb, occurred_at timestamptz, recorded_at timestamptz)
RETURNS TABLE (
    first_dimension smallint, second_dimension smallint, grain text, clock text, starts_at timestamptz, first text, second text
)
LANGUAGE sql STABLE
AS $$
    SELECT pair.a, pair.b, step.name, moment.clock, date_trunc(step.name, moment.at, 'UTC'), vals ->> pair.a::text, vals ->> pair.b::text
    FROM (
        SELECT 0::smallint AS a, 0::smallint AS b
        UNION ALL SELECT one, 0::smallint FROM unnest(numbers) one
        UNION ALL SELECT one, other FROM unnest(numbers) one JOIN unnest(numbers) other ON one < other
    ) pair
    JOIN (VALUES ('month'), ('day'), ('hour')) step (name)
        ON step.name <> 'hour' OR pair.b = 0 OR (pair.a IN (1, 2, 4, 5) AND pair.b IN (1, 2, 4, 5))
    JOIN (
        VALUES ('both', occurred_at, true), ('occurred', occurred_at, false), ('recorded', recorded_at, false)
    ) moment (clock, at, is_both)
        ON moment.is_both = (date_trunc('hour', occurred_at, 'UTC') = date_trunc('hour', recorded_at, 'UTC'))
$$;
