-- Locks the wallets that postings go to, and opens those that don't exist yet. First step of billing_post_array.
--
-- Takes: the tenant and its postings.
-- Returns: for each posting its wallet's currency, in order; the locked wallets; the ids of those that were opened here.
-- Locks: for a missing wallet the tenant (SHARE: a rebuild of the wallets locks it too), its policy (SHARE: the floor stays what
-- it is until the wallet exists), and the new wallet's key, by currency. Then the wallets, by id.
-- Never: decides anything about a posting.
--
-- A reversal goes to the wallet of its original. The original may be committed only while this call waits for a lock, so currencies are
-- looked up again after every wait, until all of them are locked.
CREATE OR REPLACE FUNCTION billing_lock_wallets(
    tenant uuid, items billing_posting[], OUT currencies text[], OUT wallets billing_wallet[], OUT opened uuid[]
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    locked text[] := '{}';
    missing text[];
    new_floor numeric;
BEGIN
    opened := '{}';
    LOOP
        SELECT array_agg(coalesce(original.currency, posting.currency, owner.currency)::text ORDER BY posting.ordinality) INTO currencies
        FROM unnest(items) WITH ORDINALITY AS posting
        LEFT JOIN tenants_tenant owner ON owner.id = tenant
        LEFT JOIN billing_transaction original ON original.tenant_id = tenant AND original.id = posting.reverses;
        EXIT WHEN currencies <@ locked;

        missing := ARRAY(
            SELECT DISTINCT wanted.currency FROM unnest(currencies) AS wanted(currency)
            WHERE NOT EXISTS (SELECT FROM billing_wallet wallet WHERE wallet.tenant_id = tenant AND wallet.currency = wanted.currency)
        );
        IF missing <> '{}' THEN
            PERFORM FROM tenants_tenant owner WHERE owner.id = tenant FOR SHARE;
            SELECT policy.default_floor INTO new_floor FROM billing_policy policy WHERE policy.tenant_id = tenant FOR SHARE;
            WITH created AS (
                INSERT INTO billing_wallet (id, tenant_id, currency, balance, last_entry_number, floor)
                SELECT DISTINCT ON (posting.wallet_currency)
                    -- The wallet takes the id of its first posting, unless that is an imported one whose id another wallet has already.
                    CASE WHEN EXISTS (SELECT FROM billing_wallet wallet WHERE wallet.id = posting.id AND wallet.tenant_id = tenant)
                        THEN ledger_new_id() ELSE posting.id END,
                    tenant, posting.wallet_currency, 0, 0, new_floor
                FROM ROWS FROM (unnest(currencies), unnest(items)) WITH ORDINALITY AS posting(wallet_currency)
                WHERE posting.wallet_currency = ANY (missing)
                ORDER BY posting.wallet_currency, posting.ordinality
                ON CONFLICT (tenant_id, currency) DO NOTHING
                RETURNING id
            )
            SELECT opened || coalesce(array_agg(created.id), '{}') INTO opened FROM created;
        END IF;

        SELECT array_agg(taken.wallet), array_agg(taken.currency) INTO wallets, locked
        FROM (
            SELECT wallet, wallet.currency::text AS currency FROM billing_wallet wallet
            WHERE wallet.tenant_id = tenant AND wallet.currency = ANY (currencies || locked)
            ORDER BY wallet.id
            FOR NO KEY UPDATE
        ) AS taken;
        locked := coalesce(locked, '{}');
    END LOOP;
END;
$$;
