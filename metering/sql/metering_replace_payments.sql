-- Ends the payments that are replaced by the payment of a further round: that of an earlier challenge, which is cancelled, and those that
-- hold the estimates in the same currency.
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
        SELECT * FROM paying_payment stored
        WHERE stored.tenant_id = tenant AND stored.transaction_id = owner.id AND stored.closed_at IS NULL
            AND (stored.kind = 'x402' OR stored.currency = metering_replace_payments.currency)
        ORDER BY stored.id
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
