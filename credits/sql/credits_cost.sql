-- Computes which part of a grant's cost a balance stands for: cost * balance / original amount. It depends on the balance alone, so the
-- cost bases of all transactions add up to exactly the cost, whatever their order. A balance above the original amount stands for the whole
-- cost, because the credit that was added was not paid for.
-- Takes: a grant, a balance. Returns: money, or null for a grant without a cost. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_cost(grant_row credits_grant, balance numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN grant_row.cost_of_credit IS NOT NULL THEN
        round(grant_row.cost_of_credit * least(balance, grant_row.original_amount) / grant_row.original_amount, 18)
    END
$$;
