-- Which of the costs sent with a new transaction become cost rows: none of a denied one, because nothing was spent; only the actual ones of
-- a cancelled one. What doesn't become a row is kept as a fact (metering_insert_unwritten_costs).
-- Takes: the status the transaction begins with, and the costs. Returns: the costs to write. Locks: nothing.
-- Copy: _inserted_costs in metering/services/new_transaction_rows.py, for replies, which tests/metering/test_rule_decisions.py holds equal.
-- In PL/pgSQL, because an SQL function with a subquery isn't inlined: each row that calls it would start an executor, 21,000 instructions
-- (docs/performance.md).
CREATE OR REPLACE FUNCTION metering_costs_to_insert(status text, costs metering_new_cost[])
RETURNS metering_new_cost[]
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    CASE status
        WHEN 'denied' THEN RETURN '{}';
        WHEN 'cancelled' THEN RETURN ARRAY(SELECT cost FROM unnest(costs) cost WHERE NOT cost.is_estimate);
        ELSE RETURN costs;
    END CASE;
END
$$;
