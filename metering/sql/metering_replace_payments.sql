-- Ends the payments that the payment of a further round takes the place of: that of an earlier challenge, which is cancelled, and what is
-- held for the estimates in the same currency.
--
-- Takes: the tenant, the transaction's row, the currency, who asks, and the moment.
-- Returns: the changes to the sums.
-- Locks: the transaction's payments by id; then as paying_end_payment.
-- Never: ends a payment that was presented, unless its time is over.
CREATE OR REPLACE FUNCTION metering_replace_payments(
    tenant uuid, owner metering_transaction, currency text, actor text, request text, moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    payment paying_payment;
    deltas metering_delta[] := '{}';
BEGIN
    FOR payment IN
        SELECT * FROM paying_payment kept
        WHERE kept.tenant_id = tenant AND kept.transaction_id = owner.id AND kept.closed_at IS NULL
            AND (kept.kind = 'x402' OR kept.currency = metering_replace_payments.currency)
        ORDER BY kept.id
        FOR NO KEY UPDATE
    LOOP
        payment := paying_end_payment(tenant, payment, 0, CASE
            WHEN payment.hold_expires_at <= ledger_now() THEN 'expired' WHEN payment.kind = 'x402' THEN 'cancelled' ELSE 'released'
        END, moment, actor, request);
        deltas := deltas || paying_write_cost(tenant, owner, payment, actor, request, moment);
    END LOOP;
    RETURN deltas;
END
$$;
