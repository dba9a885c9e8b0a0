-- Writes a capture, an extension or a release of a payment: its key, its facts, and the payment after it.
--
-- Takes: the tenant, the payment (with what is captured after the call, and its end before it), the kind, what was taken, the end after it,
-- whether it ended the payment, the call's key and the digest of its facts (hexadecimal), the moment, and who asks.
-- Returns: the row.
-- Locks: nothing beyond it; the caller has locked the payment.
-- Never: changes the payment.
CREATE OR REPLACE FUNCTION paying_write_call(
    tenant uuid, payment paying_payment, kind text, taken numeric, ending timestamptz, final boolean, key text, facts_digest text,
    moment timestamptz, actor text, request text
)
RETURNS paying_paymentcall
LANGUAGE plpgsql
AS $$
DECLARE
    written paying_paymentcall;
BEGIN
    INSERT INTO paying_paymentcall (
        id, tenant_id, occurred_at, created_at, actor, request_id, payment_id, kind, amount, captured_after, expires_before, expires_at,
        is_final, idempotency_key, facts_digest
    )
    VALUES (
        ledger_new_id(), tenant, moment, moment, actor, coalesce(request, ''), payment.id, kind, taken, payment.captured,
        payment.hold_expires_at, ending, final, key, decode(facts_digest, 'hex')
    )
    RETURNING * INTO written;
    RETURN written;
END
$$;
