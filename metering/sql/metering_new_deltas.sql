-- What a new transaction adds to the sums.
--
-- Takes: when it happened, its service and agent, its status, the outcome of the call, and the costs that became rows.
-- Returns: one change, and one more for each cost in another currency than the first. The transaction is counted under its first cost's
-- currency, so that most need one row of sums and not two.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION metering_new_deltas(
    occurred_at timestamptz, service uuid, agent uuid, status text, call_outcome text, costs metering_new_cost[]
)
RETURNS metering_delta[]
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    -- In the order of metering_delta's attributes; the last three are the costs, added up below.
    first metering_delta := ROW(
        occurred_at, service, agent, coalesce(costs[1].currency, ''), 1,
        (status = 'completed' AND call_outcome IS NOT DISTINCT FROM 'success')::integer,
        (status = 'completed' AND call_outcome IS NOT DISTINCT FROM 'error')::integer,
        (status = 'denied')::integer, (status = 'cancelled')::integer, 0, 0, 0
    );
    cost metering_new_cost;
    changes metering_delta[] := '{}';
BEGIN
    FOREACH cost IN ARRAY coalesce(costs, '{}') LOOP
        CONTINUE WHEN cost.superseded_by_id IS NOT NULL;
        IF cost.currency = first.currency THEN
            first.costs := first.costs + 1;
            first.amount := first.amount + cost.amount;
            first.estimated := first.estimated + CASE WHEN cost.is_estimate THEN cost.amount ELSE 0 END;
        ELSE
            changes := changes || metering_cost_delta(occurred_at, service, agent, cost.currency, cost.amount, cost.is_estimate, 1);
        END IF;
    END LOOP;
    RETURN first || changes;
END
$$;
