-- Reads locked counters at a moment: their windows, and what these hold without the transaction itself.
-- Takes: the tenant, the transaction, what is measured (with counters), and the moment, not before any counter's last decision.
-- Returns: the same with `used`, `tail_at` and `ends_at`. A window never goes back. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_read_counters(tenant uuid, transaction uuid, measured rules_measured[], moment timestamptz)
RETURNS rules_measured[]
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            wanted.measure_id, wanted.group_key, wanted.group_digest, wanted.amount, counter.id,
            rules_sum_after_tail(tenant, counter, span.tail_at) - coalesce(own.amount, 0), span.tail_at, span.ends_at
        )::rules_measured
        FROM unnest(measured) WITH ORDINALITY AS wanted
        JOIN rules_rulemeasure AS measure ON measure.tenant_id = tenant AND measure.id = wanted.measure_id
        LEFT JOIN rules_rulecounter AS counter ON counter.tenant_id = tenant AND counter.id = wanted.counter_id
        CROSS JOIN LATERAL (SELECT reached.tail_at, reached.ends_at FROM rules_window(measure, moment) AS reached) AS at_moment
        CROSS JOIN LATERAL (
            SELECT greatest(counter.tail_at, at_moment.tail_at) AS tail_at, at_moment.ends_at
        ) AS span
        -- By the transaction alone, so that no plan goes by the index by time, which has all entries of the counter.
        LEFT JOIN LATERAL (
            SELECT CASE WHEN entry.at > span.tail_at THEN entry.amount END AS amount FROM rules_rulecounterentry AS entry
            WHERE entry.tenant_id = tenant AND entry.transaction_id = transaction
                AND entry.counter_id IS NOT DISTINCT FROM wanted.counter_id
        ) AS own ON true
        ORDER BY wanted.ordinality
    );
END
$$;
