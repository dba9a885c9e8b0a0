-- Debits the tenant's wallet for what a payment doesn't hold. The wallet is opened where there is none, as by any posting.
--
-- Takes: the tenant, the payment, how much, the ordinal of the leg (it makes the reference), and who asks.
-- Returns: the wallet's entry, or null where the wallet doesn't cover it.
-- Locks: as billing_lock_wallets: the wallet; before it, where it is opened, the tenant, its policy and the new wallet's key.
-- Never: takes a wallet without a floor below zero, unless the policy says so; posts where the tenant's type `usage` is no debit; leaves a
-- wallet behind that was opened for a refused debit.
CREATE OR REPLACE FUNCTION paying_debit_wallet(
    tenant uuid, payment paying_payment, part numeric, ordinal integer, actor text, request text
)
RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    overdraft CONSTANT boolean := EXISTS (
        SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.allows_overdraft
    );
    opening billing_posting;
    locked record;
    wallet billing_wallet;
    done record;
    posted uuid;
BEGIN
    IF NOT billing_usage_is_debit(tenant) OR paying_new_wallet_refuses(tenant, payment.currency, part, overdraft) THEN
        RETURN NULL;
    END IF;
    opening.id := ledger_new_id();
    opening.currency := payment.currency;
    SELECT * INTO locked FROM billing_lock_wallets(tenant, ARRAY[opening]);
    wallet := locked.wallets[1];
    IF wallet.held > 0 THEN
        wallet := billing_expire_overdue_holds(tenant, wallet, ledger_now(), actor, request);
    END IF;
    -- A payment takes a wallet without a floor as one with a floor of zero, as a hold would have. billing_post decides again, by the
    -- wallet's own floor, and would let it be overdrawn.
    IF billing_floor_allows(
        balance => wallet.balance - part, held => wallet.held, floor => billing_floor_or_zero(wallet.floor, overdraft)
    ) THEN
        SELECT * INTO done FROM billing_post(tenant, jsonb_build_array(billing_usage_debit() || jsonb_build_object(
            'id', opening.id, 'currency', payment.currency, 'amount', part,
            'reference_id', format('payment:%s:%s', payment.id, ordinal), 'facts_digest', billing_no_facts_digest(), 'actor', actor,
            'request_id', request
        )));
        posted := CASE WHEN done.outcome = 'posted' THEN done.id END;
    END IF;
    IF posted IS NULL AND locked.opened <> '{}' THEN
        PERFORM billing_remove_unused_wallets(tenant, locked.opened);
    END IF;
    RETURN posted;
END
$$;
