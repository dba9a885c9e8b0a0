-- Captures a part of a hold or all that is left of it, releases what is left, or expires an overdue hold: the three changes of a hold that
-- take from what it reserves. `kind` of the billing_hold_end says which. Each ends the hold, but for a capture with `final` false, which
-- leaves the rest reserved.
--
-- Takes: the tenant, an array of one billing_hold_end.
-- Returns: one row: the hold after the call (`held` is what it still reserves, `captured` what all captures took), of the capture how much
-- it took and the debit that it posted, and of the wallet its balance, what all its holds reserve, and its floor. `outcome` is posted,
-- exists (an earlier capture has the key, or the hold ended this way before: `first_digest`), closed, exceeded, no_debit (the tenant's type
-- usage is none), insufficient or out_of_range (of the debit, by billing_posting_refusal), not_due or not_found.
-- Locks: the wallet of the hold; under it whatever billing_post locks. A hold changes only under the lock of its wallet. The time is taken
-- under this lock, so a call that waited past the hold's end finds it expired.
-- Never: captures more than the hold reserves; ends a hold by a capture that is not final.
CREATE OR REPLACE FUNCTION billing_capture_or_end_hold(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, amount numeric, held numeric, captured numeric, taken numeric, transaction_id uuid, currency text,
    balance numeric, wallet_held numeric, floor numeric, first_digest bytea
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    item billing_hold_end := jsonb_populate_record(NULL::billing_hold_end, items -> 0);
    wallet billing_wallet;
    hold billing_wallethold;
    earlier record;
    moment timestamptz;
    reserved numeric;
    refusal text;
    is_overdue boolean;
    hold_outcome text;
BEGIN
    -- The wallet of a hold never changes.
    SELECT * INTO wallet FROM billing_wallet wallet_row
    WHERE wallet_row.tenant_id = tenant
        AND wallet_row.id = (
            SELECT hold_row.wallet_id FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = item.hold_id
        )
    FOR NO KEY UPDATE;
    moment := ledger_now();
    SELECT * INTO hold FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = item.hold_id;
    -- An overdue hold can only expire, whatever the call asks for.
    is_overdue := coalesce(hold.status = 'active' AND hold.expires_at <= moment, false);
    IF is_overdue OR wallet.held > 0 THEN
        wallet := billing_expire_overdue_holds(tenant, wallet, moment, item.actor, item.request_id);
        SELECT * INTO hold FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = item.hold_id;
    END IF;
    reserved := CASE hold.status WHEN 'active' THEN hold.amount - hold.captured ELSE 0 END;
    item.reference_id := coalesce(item.reference_id, hold.reference_id);
    item.final := coalesce(item.final, true);
    item.amount := coalesce(item.amount, reserved);
    SELECT * INTO earlier FROM billing_hold_step_before(tenant, hold.id, item.kind, item.reference_id);
    IF item.kind = 'captured' THEN
        -- As billing_post decides the debit, by the wallet's own floor. While the floor rule looks at nothing but the balance less what is
        -- held, which a capture doesn't lower, it never refuses one.
        refusal := billing_posting_refusal(
            is_strict => false, is_catalogued => true, direction => 'debit', amount => item.amount, effect => -item.amount,
            balance => wallet.balance, held => wallet.held - CASE WHEN item.final THEN reserved ELSE item.amount END, floor => wallet.floor
        );
    END IF;
    hold_outcome := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN earlier.first_digest IS NOT NULL THEN 'exists'
        WHEN item.kind = 'expired' AND is_overdue THEN 'posted'
        WHEN item.kind = 'expired' AND hold.status = 'expired' THEN 'exists'
        WHEN hold.status <> 'active' THEN 'closed'
        WHEN item.kind = 'expired' THEN 'not_due'
        WHEN item.kind = 'captured' AND item.amount > reserved THEN 'exceeded'
        WHEN item.kind = 'captured' AND NOT billing_usage_is_debit(tenant) THEN 'no_debit'
        WHEN refusal IS NOT NULL THEN refusal
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' AND item.kind <> 'expired' THEN
        PERFORM billing_write_capture_or_release(
            tenant, item, wallet, hold.id, CASE item.kind WHEN 'captured' THEN item.amount ELSE 0 END, moment
        );
        SELECT * INTO hold FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = hold.id;
        SELECT * INTO wallet FROM billing_wallet wallet_row WHERE wallet_row.tenant_id = tenant AND wallet_row.id = wallet.id;
        SELECT * INTO earlier FROM billing_hold_step_before(tenant, hold.id, item.kind, item.reference_id);
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, hold.id AS id, hold.status::text AS status, hold.amount AS amount,
        CASE hold.status WHEN 'active' THEN hold.amount - hold.captured ELSE 0 END AS held, hold.captured AS captured,
        earlier.taken AS taken, earlier.transaction_id AS transaction_id, hold.currency::text AS currency, wallet.balance AS balance,
        wallet.held AS wallet_held, wallet.floor AS floor, earlier.first_digest AS first_digest;
END;
$$;
