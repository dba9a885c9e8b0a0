-- Which of the costs sent with a new transaction become cost rows: none of a denied one, because nothing was spent; only the actual ones of
-- a cancelled one. What doesn't become a row is kept as a fact (metering_insert_offered_costs).
-- Takes: the status the transaction begins with, and the costs. Returns: the costs to write. Locks nothing.
CREATE OR REPLACE FUNCTION metering_costs_to_insert(status text, costs metering_new_cost[])
RETURNS metering_new_cost[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE status
        WHEN 'denied' THEN '{}'
        WHEN 'cancelled' THEN ARRAY(SELECT cost FROM unnest(costs) cost WHERE NOT cost.is_estimate)
        ELSE costs
    END
$$;
