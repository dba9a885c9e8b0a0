-- Why a payment's token can't be presented or collected any more.
-- Takes: the payment and its token, which the caller has locked (all null: there is none), and the moment.
-- Returns: not_found, settled, hold_expired or revoked, or null. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_refuse_token(payment paying_payment, token paying_paymenttoken, moment timestamptz)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN CASE
        WHEN token.id IS NULL THEN 'not_found'
        WHEN token.settled_at IS NOT NULL THEN 'settled'
        WHEN payment.status = 'expired' OR payment.closed_at IS NULL AND payment.hold_expires_at <= moment THEN 'hold_expired'
        WHEN payment.closed_at IS NOT NULL THEN 'revoked'
    END;
END
$$;
