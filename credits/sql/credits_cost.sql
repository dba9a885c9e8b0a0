-- The part of a grant's cost that a balance stands for. It depends on the balance alone, so whatever the path, the cost bases of all
-- transactions add up to exactly the cost. What exceeds the original amount was not paid for.
CREATE OR REPLACE FUNCTION credits_cost(account credits_grant, balance numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN account.cost_of_credit IS NOT NULL THEN
        round(account.cost_of_credit * least(balance, account.original_amount) / account.original_amount, 18)
    END
$$;
