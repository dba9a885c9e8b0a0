-- Holds a part of a payment on the tenant's wallet, which is opened where there is none, as for any hold.
--
-- Takes: the tenant, the payment, how much, and until when.
-- Returns: whether it is held, the hold, and how much could be spent before it: what holds don't reserve, above the floor.
-- Locks: as billing_place_hold: the wallet.
-- Never: leaves a wallet behind that was opened for a refused hold.
CREATE OR REPLACE FUNCTION paying_hold_wallet(
    tenant uuid, payment paying_payment, part numeric, until timestamptz, OUT is_held boolean, OUT hold_id uuid, OUT spendable numeric
)
LANGUAGE plpgsql
AS $$
DECLARE
    overdraft CONSTANT boolean := EXISTS (
        SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.allows_overdraft
    );
    done record;
BEGIN
    IF paying_new_wallet_refuses(tenant, payment.currency, part, overdraft) THEN
        is_held := false;
        spendable := greatest(billing_spendable(
            0, 0, (SELECT policy.default_floor FROM billing_policy policy WHERE policy.tenant_id = tenant)
        ), 0);
        RETURN;
    END IF;
    SELECT * INTO done FROM billing_place_hold(tenant, jsonb_build_array(jsonb_build_object(
        'id', ledger_new_id(), 'currency', payment.currency, 'amount', part, 'expires_at', until,
        'reference_id', 'payment:' || payment.id, 'allow_overdraft', overdraft, 'facts_digest', '', 'actor', payment.actor,
        'request_id', payment.request_id
    )));
    IF done.outcome NOT IN ('posted', 'insufficient') THEN
        RAISE EXCEPTION 'a hold of a payment was refused: %', done.outcome;
    END IF;
    is_held := done.outcome = 'posted';
    hold_id := done.id;
    spendable := greatest(billing_spendable(done.balance, done.held, done.floor), 0);
END
$$;
