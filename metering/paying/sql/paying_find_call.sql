-- The call that a capture, an extension or a release of a payment repeats: the one with its key; without a key the one that ended the
-- payment.
-- Takes: the tenant, the payment, the kind of the call, and its key or null. Returns: the call, or nulls. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION paying_find_call(tenant uuid, payment uuid, kind text, key text)
RETURNS paying_paymentcall
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    earlier paying_paymentcall;
BEGIN
    SELECT * INTO earlier FROM paying_paymentcall before
    WHERE before.tenant_id = tenant AND before.kind = paying_find_call.kind AND before.idempotency_key = key;
    IF earlier.id IS NULL AND key IS NULL THEN
        SELECT * INTO earlier FROM paying_paymentcall before
        WHERE before.tenant_id = tenant AND before.payment_id = paying_find_call.payment AND before.kind = paying_find_call.kind
            AND before.is_final;
    END IF;
    RETURN earlier;
END
$$;
