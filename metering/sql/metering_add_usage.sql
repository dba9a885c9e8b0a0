-- Adds changes of usage to the sums by any two dimensions.
-- Takes: the tenant, the numbers of its dimensions in ascending order, the usage that counted until now and the usage that counts instead.
-- Returns: nothing.
-- Locks: the sums it changes. Callers hold the tenant's lock of counting (metering_count_usage), so that nobody else changes them.
-- Never: called by a posting. Its sums are those that metering_usage_places names for each transaction, which the integrity check compares.
CREATE OR REPLACE FUNCTION metering_add_usage(tenant uuid, numbers smallint[], gone metering_counted[], counted metering_counted[])
RETURNS void
LANGUAGE plpgsql
SET jit = off
SET work_mem = '64MB'
AS $$
BEGIN
    -- What is alike in every dimension becomes one row, before it is taken apart into dozens of sums; the sums of days are made of those
    -- of hours, and the sums of months of those of days.
    WITH change AS MATERIALIZED (
        SELECT moment.clock, date_trunc('hour', moment.at, 'UTC') AS starts_at, usage.currency, usage.outcome,
            -- The values in the order of `numbers`.
            ARRAY[usage.service, usage.action, usage.resource, usage.model, usage.agent::text, usage.customer] || ARRAY(
                SELECT usage.keys ->> number::text FROM unnest(numbers[7:]) WITH ORDINALITY key (number, ordinal) ORDER BY ordinal
            ) AS dimension_values,
            -- What was counted before a key was declared isn't in the key's sums.
            ARRAY(SELECT number FROM unnest(numbers[7:]) number WHERE usage.keys ? number::text) AS keys,
            sum(side.sign * usage.transactions) AS transactions, sum(side.sign * usage.repeated) AS repeated,
            sum(side.sign * usage.amount) AS amount, sum(side.sign * usage.estimated) AS estimated,
            sum(side.sign * usage.input_tokens) AS input_tokens, sum(side.sign * usage.output_tokens) AS output_tokens,
            sum(side.sign * usage.cache_read_tokens) AS cache_read_tokens, sum(side.sign * usage.cache_write_tokens) AS cache_write_tokens,
            sum(side.sign * usage.input_audio_tokens) AS input_audio_tokens,
            sum(side.sign * usage.output_audio_tokens) AS output_audio_tokens, sum(side.sign * usage.reasoning_tokens) AS reasoning_tokens
        FROM (VALUES (-1, gone), (1, counted)) side (sign, rows)
        CROSS JOIN LATERAL unnest(side.rows) usage
        CROSS JOIN LATERAL (
            VALUES ('both', usage.occurred_at, true), ('occurred', usage.occurred_at, false), ('recorded', usage.recorded_at, false)
        ) moment (clock, at, is_both)
        WHERE moment.is_both = (date_trunc('hour', usage.occurred_at, 'UTC') = date_trunc('hour', usage.recorded_at, 'UTC'))
        GROUP BY 1, 2, 3, 4, 5, 6
    ), dimension AS (
        SELECT 0::smallint AS number, 0::bigint AS ordinal
        UNION ALL SELECT listed.number, listed.ordinal FROM unnest(numbers) WITH ORDINALITY listed (number, ordinal)
    ), pair AS MATERIALIZED (
        SELECT a.number AS a, b.number AS b, a.ordinal AS first_ordinal, b.ordinal AS second_ordinal,
            ARRAY(SELECT number FROM unnest(ARRAY[a.number, b.number]) number WHERE number >= 7) AS keys
        FROM dimension a JOIN dimension b ON b.number = 0 OR (a.number > 0 AND a.number < b.number)
    ), grouped AS (
        SELECT pair.a, pair.b, change.clock, change.starts_at, change.dimension_values[pair.first_ordinal] AS first,
            change.dimension_values[pair.second_ordinal] AS second, change.currency, change.outcome,
            sum(change.transactions) AS transactions,
            sum(change.repeated) AS repeated, sum(change.amount) AS amount, sum(change.estimated) AS estimated,
            sum(change.input_tokens) AS input_tokens, sum(change.output_tokens) AS output_tokens,
            sum(change.cache_read_tokens) AS cache_read_tokens, sum(change.cache_write_tokens) AS cache_write_tokens,
            sum(change.input_audio_tokens) AS input_audio_tokens, sum(change.output_audio_tokens) AS output_audio_tokens,
            sum(change.reasoning_tokens) AS reasoning_tokens
        FROM change JOIN pair ON pair.keys = '{}' OR pair.keys <@ change.keys
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ), hourly AS MATERIALIZED (
        SELECT grouped.*, 'hour' AS grain, md5(jsonb_build_array(first, second, currency, outcome)::text)::uuid AS digest FROM grouped
    ), daily AS MATERIALIZED (
        -- A digest stands for the values that it was made of.
        SELECT a, b, clock, date_trunc('day', starts_at, 'UTC') AS starts_at, min(first) AS first, min(second) AS second,
            min(currency) AS currency, min(outcome) AS outcome, sum(transactions) AS transactions, sum(repeated) AS repeated,
            sum(amount) AS amount, sum(estimated) AS estimated, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
            sum(input_audio_tokens) AS input_audio_tokens, sum(output_audio_tokens) AS output_audio_tokens,
            sum(reasoning_tokens) AS reasoning_tokens, 'day' AS grain, digest
        FROM hourly GROUP BY a, b, clock, date_trunc('day', starts_at, 'UTC'), digest
    ), summed AS (
        SELECT * FROM hourly
        UNION ALL SELECT * FROM daily
        UNION ALL
        SELECT a, b, clock, date_trunc('month', starts_at, 'UTC'), min(first), min(second), min(currency), min(outcome),
            sum(transactions), sum(repeated), sum(amount), sum(estimated), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),
            sum(cache_write_tokens), sum(input_audio_tokens), sum(output_audio_tokens), sum(reasoning_tokens), 'month', digest
        FROM daily GROUP BY a, b, clock, date_trunc('month', starts_at, 'UTC'), digest
    )
    INSERT INTO metering_usagesum AS stored (
        id, tenant_id, first_dimension, second_dimension, grain, clock, starts_at, digest, first, second, currency, outcome,
        transactions, repeated, amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_audio_tokens,
        output_audio_tokens, reasoning_tokens
    )
    SELECT gen_random_uuid(), tenant, a, b, grain, clock, starts_at, digest, first, second, currency, outcome, transactions, repeated,
    amount,
        estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_audio_tokens, output_audio_tokens,
        reasoning_tokens
    FROM summed
    WHERE (
        transactions, repeated, amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        input_audio_tokens, output_audio_tokens, reasoning_tokens
    ) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (tenant_id, first_dimension, second_dimension, grain, clock, starts_at, digest) DO UPDATE SET
        transactions = stored.transactions + excluded.transactions,
        repeated = stored.repeated + excluded.repeated,
        amount = stored.amount + excluded.amount,
        estimated = stored.estimated + excluded.estimated,
        input_tokens = stored.input_tokens + excluded.input_tokens,
        output_tokens = stored.output_tokens + excluded.output_tokens,
        cache_read_tokens = stored.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = stored.cache_write_tokens + excluded.cache_write_tokens,
        input_audio_tokens = stored.input_audio_tokens + excluded.input_audio_tokens,
        output_audio_tokens = stored.output_audio_tokens + excluded.output_audio_tokens,
        reasoning_tokens = stored.reasoning_tokens + excluded.reasoning_tokens
    WHERE stored.tenant_id = excluded.tenant_id;
END
$$;
