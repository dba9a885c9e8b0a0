-- Writes one change of a hold: its kind and amount, and how much all holds of the wallet reserve after it.
--
-- Takes: the tenant, the hold's id, the change. Returns: nothing.
-- Locks: nothing; the caller has locked the hold's wallet, and has changed the hold before, whose captured amount and end are copied here.
-- Never: changes the hold or the wallet.
CREATE OR REPLACE FUNCTION billing_write_hold_entry(tenant uuid, of_hold uuid, step billing_hold_step) RETURNS void LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO billing_walletholdentry (
        id, tenant_id, wallet_id, hold_id, kind, amount, held_after, captured_after, expires_at, reason, reference_id, transaction_id,
        is_final, facts_digest, occurred_at, created_at, actor, request_id)
    SELECT ledger_new_id(), tenant, hold.wallet_id, hold.id, step.kind, step.amount, step.held_after, hold.captured, hold.expires_at,
        coalesce(step.reason, ''), step.reference_id, step.transaction_id, coalesce(step.is_final, false),
        decode(step.facts_digest, 'hex'), step.happened, step.booked, step.actor, coalesce(step.request_id, '')
    FROM billing_wallethold hold
    WHERE hold.tenant_id = tenant AND hold.id = of_hold;
END;
$$;
