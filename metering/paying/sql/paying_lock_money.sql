-- Locks what several payments may take, so that two calls lock in the same order: all grants by id, then all wallets by id.
-- Takes: the tenant, and for each payment its customer and its currency. Returns: nothing.
-- Locks: their open grants that aren't empty, whatever their dates: a grant may begin or end while this waits for a lock, so who draws
-- looks at the dates under the locks (credits_is_usable); then the wallets. Never: decides anything.
CREATE OR REPLACE FUNCTION paying_lock_money(tenant uuid, customers text[], currencies text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM account.id
    FROM credits_grant account
    WHERE account.tenant_id = tenant AND account.unit_type = 'CURRENCY' AND account.status = 'open' AND account.balance > 0
        AND (account.customer_id, account.currency) IN (
            SELECT wanted.customer, wanted.currency FROM unnest(customers, currencies) AS wanted (customer, currency)
        )
    ORDER BY account.id
    FOR NO KEY UPDATE;
    PERFORM wallet.id
    FROM billing_wallet wallet
    WHERE wallet.tenant_id = tenant AND wallet.currency = ANY (currencies)
    ORDER BY wallet.id
    FOR NO KEY UPDATE;
END
$$;
