-- Takes: a payment. Returns: what a reply about it is made of (PaymentReply), as JSON. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_snapshot(payment paying_payment)
RETURNS json
LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', payment.id, 'transaction_id', payment.transaction_id, 'kind', payment.kind, 'status', payment.status,
        'customer_id', payment.customer_id, 'currency', payment.currency, 'amount', payment.amount, 'captured', payment.captured,
        'unpaid', payment.unpaid, 'payer', payment.payer, 'is_unconfirmed', payment.is_unconfirmed,
        'hold_expires_at', payment.hold_expires_at, 'created_at', payment.created_at,
        'updated_at', payment.updated_at, 'closed_at', payment.closed_at, 'token', (
            SELECT json_build_object(
                'network', token.network, 'scheme', token.scheme, 'pay_to', token.pay_to, 'challenge', token.challenge::text,
                'expires_at', token.expires_at, 'settlement_id', token.settlement_id, 'settled_at', token.settled_at,
                'receipt', token.receipt
            )
            FROM paying_paymenttoken token WHERE token.tenant_id = payment.tenant_id AND token.payment_id = payment.id
        ),
        'legs', (
            SELECT coalesce(json_agg(json_build_object(
                'kind', leg.kind, 'hold_id', leg.hold_id, 'entry_id', leg.entry_id, 'amount', leg.amount, 'captured', leg.captured
            ) ORDER BY leg.ordinal), '[]')
            FROM paying_paymentleg leg WHERE leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id
        )
    )
$$;
