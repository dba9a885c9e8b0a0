-- What a customer can draw on in one unit: the balances of the usable grants, and what holds reserve of them.
-- Takes: a tenant, a customer, a currency or null, a metric's id or null, a day in UTC. Returns: one row. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_unit_balance(tenant uuid, customer text, wanted_currency text, wanted_metric text, day date)
RETURNS TABLE (balance numeric, held numeric) LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(grant_row.balance), 0), coalesce(sum(grant_row.held), 0)
    FROM credits_grant grant_row
    WHERE grant_row.tenant_id = tenant AND grant_row.customer_id = customer
        AND credits_has_unit(grant_row, wanted_currency, wanted_metric) AND credits_is_usable(grant_row, day)
$$;
