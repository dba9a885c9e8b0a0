-- What one cost adds to the sums (sign 1) or takes out of them (sign -1).
-- Takes: its transaction's time, service and agent; its currency, amount and kind; the sign. Returns: the change. Locks nothing.
CREATE OR REPLACE FUNCTION metering_cost_delta(
    happened_at timestamptz, service uuid, agent uuid, currency text, amount numeric, is_estimate boolean, sign integer
)
RETURNS metering_delta
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    change metering_delta;
BEGIN
    change.occurred_at := happened_at;
    change.service_id := service;
    change.agent_id := agent;
    change.currency := currency;
    change.transactions := 0;
    change.succeeded := 0;
    change.failed := 0;
    change.denied := 0;
    change.cancelled := 0;
    change.costs := sign;
    change.amount := sign * amount;
    change.estimated := CASE WHEN is_estimate THEN sign * amount ELSE 0 END;
    RETURN change;
END
$$;
