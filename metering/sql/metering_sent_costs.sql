-- Selects the costs of a posting that its caller sent. It leaves out the one that was computed from the facts of the same call.
-- Takes: the costs. Returns: the same without it. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_sent_costs(costs metering_new_cost[])
RETURNS metering_new_cost[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT ARRAY(SELECT cost FROM unnest(costs) cost WHERE cost.inferred_from_id IS NULL)
$$;
