-- Writes payments that paying_hold_all_or_none holds the money of.
-- Takes: the tenant, and what paying_hold_all_or_none returned. Returns: nothing.
-- Locks: their transaction, which exists and which nobody else can hold. Never: moves money.
CREATE OR REPLACE FUNCTION paying_insert_payments(tenant uuid, placed paying_hold_result)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO paying_payment (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, round, kind, status, customer_id, currency, amount,
        captured, unpaid, payer, hold_expires_at, reason, updated_at
    )
    SELECT payment.id, tenant, payment.occurred_at, payment.created_at, payment.actor, payment.request_id, payment.transaction_id,
        payment.round, payment.kind, payment.status, payment.customer_id, payment.currency, payment.amount, 0, 0,
        payment.payer, payment.hold_expires_at, '', payment.updated_at
    FROM unnest(placed.payments) AS payment;
    PERFORM paying_insert_legs(tenant, placed.legs);
    IF placed.tokens IS NOT NULL THEN
        INSERT INTO paying_paymenttoken (
            id, tenant_id, payment_id, authorization_id, network, scheme, pay_to, challenge, key_id, nonce_digest, expires_at, created_at,
            presented_at
        )
        SELECT token.id, tenant, token.payment_id, token.authorization_id, token.network, token.scheme, token.pay_to, token.challenge,
            token.key_id, token.nonce_digest, token.expires_at, token.created_at, token.presented_at
        FROM unnest(placed.tokens) AS token;
    END IF;
    UPDATE metering_transaction stored SET requires_payment = true
    WHERE stored.tenant_id = tenant AND stored.id = placed.payments[1].transaction_id AND NOT stored.requires_payment;
    PERFORM paying_write_events(
        tenant, placed.payments[1].request_id, ARRAY(SELECT payment.id FROM unnest(placed.payments) AS payment), 'authorized'
    );
END
$$;
