-- Decides the order in which a burn-down draws on grants: ORDER BY credits_burn_down_order(account).
-- Takes: a grant. Returns: its key; the lower goes first. A grant without a last day goes after those with one, METRIC before CURRENCY,
-- promotional before paid. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_burn_down_order(account credits_grant) RETURNS credits_burn_down_key LANGUAGE sql IMMUTABLE
AS $$
    SELECT (
        account.priority, account.unit_type = 'CURRENCY', coalesce(account.expiry_date, 'infinity'::date), account.category = 'paid',
        account.effective_date, account.created_at, account.id
    )::credits_burn_down_key
$$;
