-- What one cost adds to the sums (sign 1) or takes out of them (sign -1).
--
-- Takes: its transaction's time, service and agent; its currency, amount and kind; the sign.
-- Returns: the change.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION metering_cost_delta(
    occurred_at timestamptz, service uuid, agent uuid, currency text, amount numeric, is_estimate boolean, sign integer
)
RETURNS metering_delta
LANGUAGE sql IMMUTABLE
AS $$
    -- In the order of metering_delta's attributes.
    SELECT ROW(
        occurred_at, service, agent, currency, 0, 0, 0, 0, 0, sign, sign * amount, CASE WHEN is_estimate THEN sign * amount ELSE 0 END
    )::metering_delta
$$;
