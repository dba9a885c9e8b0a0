-- Adds changes of usage to the sums by any two dimensions.
-- Takes: the tenant, the numbers of its dimensions in ascending order, the usage that counted until now and the usage that counts instead, both
-- as arrays of metering_usage's rows in JSON.
-- Returns: nothing.
-- Locks: the sums it changes. Callers hold the tenant's lock of counting (metering_count_usage), so that nobody else changes them.
-- Never: called by a posting.
CREATE OR REPLACE FUNCTION metering_add_usage(tenant uuid, numbers smallint[], gone jsonb, counted jsonb)
RETURNS void
LANGUAGE plpgsql
SET jit = off
SET work_mem = '64MB'
AS $$
BEGIN
    -- Signed once, before each is taken apart into dozens of sums.
    WITH change AS MATERIALIZED (
        SELECT one.occurred_at, one.recorded_at, one.currency, one.outcome, jsonb_build_object(
                '1', one.service, '2', one.action, '3', one.resource, '4', one.model, '5', one.agent, '6', one.customer
            ) || coalesce(one.keys, '{}') AS vals,
            place.sign * one.transactions AS transactions, place.sign * one.repeated AS repeated, place.sign * one.amount AS amount,
            place.sign * one.estimated AS estimated, place.sign * one.input_tokens AS input_tokens,
            place.sign * one.output_tokens AS output_tokens, place.sign * one.cache_read_tokens AS cache_read_tokens,
            place.sign * one.cache_write_tokens AS cache_write_tokens, place.sign * one.input_audio_tokens AS input_audio_tokens,
            place.sign * one.output_audio_tokens AS output_audio_tokens, place.sign * one.reasoning_tokens AS reasoning_tokens,
            -- What was counted before a key was declared isn't in the key's sums.
            CASE WHEN one.keys IS NULL THEN numbers[1:6] ELSE ARRAY(
                SELECT number FROM unnest(numbers) number WHERE number < 7 OR one.keys ? number::text
            ) END AS numbers
        FROM (VALUES (-1, gone), (1, counted)) place (sign, rows)
        CROSS JOIN LATERAL jsonb_populate_recordset(NULL::metering_usage, place.rows) one
    )
    INSERT INTO metering_usagesum AS kept (
        id, tenant_id, first_dimension, second_dimension, grain, clock, starts_at, digest, first, second, currency, outcome,
        transactions, repeated, amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_audio_tokens,
        output_audio_tokens, reasoning_tokens
    )
    SELECT gen_random_uuid(), tenant, summed.first_dimension, summed.second_dimension, summed.grain, summed.clock, summed.starts_at,
        md5(jsonb_build_array(summed.first, summed.second, summed.currency, summed.outcome)::text)::uuid, summed.first, summed.second,
        summed.currency, summed.outcome, summed.transactions, summed.repeated, summed.amount, summed.estimated, summed.input_tokens,
        summed.output_tokens, summed.cache_read_tokens, summed.cache_write_tokens, summed.input_audio_tokens,
        summed.output_audio_tokens, summed.reasoning_tokens
    FROM (
        SELECT part.first_dimension, part.second_dimension, part.grain, part.clock, part.starts_at, part.first, part.second,
            change.currency, change.outcome, sum(change.transactions) AS transactions, sum(change.repeated) AS repeated,
            sum(change.amount) AS amount, sum(change.estimated) AS estimated, sum(change.input_tokens) AS input_tokens,
            sum(change.output_tokens) AS output_tokens, sum(change.cache_read_tokens) AS cache_read_tokens,
            sum(change.cache_write_tokens) AS cache_write_tokens, sum(change.input_audio_tokens) AS input_audio_tokens,
            sum(change.output_audio_tokens) AS output_audio_tokens, sum(change.reasoning_tokens) AS reasoning_tokens
        FROM change
        CROSS JOIN LATERAL metering_usage_places(change.numbers, change.vals, change.occurred_at, change.recorded_at) part
        GROUP BY part.first_dimension, part.second_dimension, part.grain, part.clock, part.starts_at, part.first, part.second,
            change.currency, change.outcome
    ) summed
    WHERE (
        summed.transactions, summed.repeated, summed.amount, summed.estimated, summed.input_tokens, summed.output_tokens,
        summed.cache_read_tokens, summed.cache_write_tokens, summed.input_audio_tokens, summed.output_audio_tokens, summed.reasoning_tokens
    ) <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (tenant_id, first_dimension, second_dimension, grain, clock, starts_at, digest) DO UPDATE SET
        transactions = kept.transactions + excluded.transactions,
        repeated = kept.repeated + excluded.repeated,
        amount = kept.amount + excluded.amount,
        estimated = kept.estimated + excluded.estimated,
        input_tokens = kept.input_tokens + excluded.input_tokens,
        output_tokens = kept.output_tokens + excluded.output_tokens,
        cache_read_tokens = kept.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
        input_audio_tokens = kept.input_audio_tokens + excluded.input_audio_tokens,
        output_audio_tokens = kept.output_audio_tokens + excluded.output_audio_tokens,
        reasoning_tokens = kept.reasoning_tokens + excluded.reasoning_tokens
    WHERE kept.tenant_id = excluded.tenant_id;
END
$$;
