-- The payment for a transaction's 402 that must not be replaced: its payee has seen it and may still collect it.
-- Takes: the tenant, the transaction, and whether one that was collected counts too. Returns: the payment's id, or null. Locks: nothing: a
-- payment is presented and collected under the lock of its transaction, which the caller holds.
CREATE OR REPLACE FUNCTION paying_find_presented(tenant uuid, transaction uuid, or_captured boolean)
RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN (
        -- Not ORDER BY ... LIMIT 1: a plan would read the whole table backwards in the primary key.
        SELECT (array_agg(stored.id ORDER BY stored.id DESC))[1] FROM paying_payment stored
        WHERE stored.tenant_id = tenant AND stored.transaction_id = paying_find_presented.transaction AND stored.kind = 'x402'
            AND (stored.status = 'presented' AND stored.hold_expires_at > ledger_now() OR or_captured AND stored.status = 'captured')
    );
END
$$;
