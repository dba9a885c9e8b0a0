-- Computes how much of a grant's cost a transaction stands for.
-- Takes: a grant, its balance before and after the transaction. Returns: money, or null for a grant without a cost. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_cost_basis(grant_row credits_grant, before numeric, after numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$
    SELECT abs(credits_cost(grant_row, after) - credits_cost(grant_row, before))
$$;
