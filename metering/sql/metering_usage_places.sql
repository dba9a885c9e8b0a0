-- The sums that the usage of one transaction counts in: by each two of the dimensions, by each one and by none, by the month, the day
-- and the hour.
-- Takes: the numbers of the dimensions in ascending order, the usage's values by number, when it occurred and when it was recorded.
-- Returns: one row for each sum. Locks: nothing. metering_add_usage adds to the same sums, for many transactions at once.
CREATE OR REPLACE FUNCTION metering_usage_places(
    numbers smallint[], dimension_values jsonb, occurred_at timestamptz, recorded_at timestamptz
)
RETURNS TABLE (
    first_dimension smallint, second_dimension smallint, grain text, clock text, starts_at timestamptz, first text, second text
)
LANGUAGE sql STABLE
AS $$
    SELECT pair.a, pair.b, step.name, moment.clock, date_trunc(step.name, moment.at, 'UTC'), dimension_values ->> pair.a::text,
        dimension_values ->> pair.b::text
    FROM (
        SELECT 0::smallint AS a, 0::smallint AS b
        UNION ALL SELECT low, 0::smallint FROM unnest(numbers) low
        UNION ALL SELECT low, high FROM unnest(numbers) low JOIN unnest(numbers) high ON low < high
    ) pair
    CROSS JOIN (VALUES ('month'), ('day'), ('hour')) step (name)
    JOIN (
        VALUES ('both', occurred_at, true), ('occurred', occurred_at, false), ('recorded', recorded_at, false)
    ) moment (clock, at, is_both)
        ON moment.is_both = (date_trunc('hour', occurred_at, 'UTC') = date_trunc('hour', recorded_at, 'UTC'))
$$;
