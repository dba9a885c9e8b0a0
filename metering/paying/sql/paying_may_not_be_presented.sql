-- Whether the payment of a round can't be presented any more, though nobody collected it and nothing took its place: then the same
-- challenge is paid again. It is never true of a transaction that isn't authorized.
-- Takes: the tenant, the transaction, and the round. Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_may_not_be_presented(tenant uuid, transaction uuid, round smallint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM paying_payment payment
        JOIN paying_paymenttoken token ON token.tenant_id = tenant AND token.payment_id = payment.id
        JOIN metering_transaction owner ON owner.tenant_id = tenant AND owner.id = payment.transaction_id AND owner.status = 'authorized'
        WHERE payment.tenant_id = tenant AND payment.transaction_id = paying_may_not_be_presented.transaction
            AND payment.round = paying_may_not_be_presented.round AND token.settled_at IS NULL AND (
                payment.closed_at IS NOT NULL OR payment.hold_expires_at <= ledger_now()
                OR payment.status = 'authorized' AND token.expires_at <= ledger_now()
            )
    );
END
$$;
