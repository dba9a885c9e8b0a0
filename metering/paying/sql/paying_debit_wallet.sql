-- Debits the tenant's wallet for what a payment doesn't hold.
--
-- Takes: the tenant, the payment, how much, the ordinal of the leg (it makes the reference), and who asks.
-- Returns: the wallet's entry, or null where the wallet doesn't cover it.
-- Locks: the wallet.
-- Never: takes a wallet without a floor below zero, unless the policy says so; posts where the tenant's type `usage` is no debit.
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
    wallet billing_wallet;
    done record;
BEGIN
    SELECT * INTO wallet FROM billing_wallet kept
    WHERE kept.tenant_id = tenant AND kept.currency = payment.currency
    FOR NO KEY UPDATE;
    IF wallet.held > 0 THEN
        wallet := billing_release_overdue(tenant, wallet, ledger_now(), actor, request);
    END IF;
    -- A payment takes a wallet without a floor as one with a floor of zero, as a hold would have. billing_post decides again, by the
    -- wallet's own floor, and would let it be overdrawn.
    IF NOT billing_usage_is_debit(tenant)
        OR wallet.id IS NULL AND NOT overdraft
        OR NOT billing_floor_allows(wallet.balance - part, wallet.held, billing_hold_floor(wallet.floor, overdraft))
    THEN
        RETURN NULL;
    END IF;
    SELECT * INTO done FROM billing_post(tenant, jsonb_build_array(billing_usage_debit() || jsonb_build_object(
        'id', ledger_new_id(), 'currency', payment.currency, 'amount', part,
        'reference_id', format('payment:%s:%s', payment.id, ordinal), 'facts_digest', billing_no_facts_digest(), 'actor', actor,
        'request_id', request
    )));
    RETURN CASE WHEN done.outcome = 'posted' THEN done.id END;
END
$$;
