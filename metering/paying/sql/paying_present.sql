-- Marks a payment of a 402 as presented: its payee has seen its token, and may collect it until its money is held no longer. From then
-- on neither a cancellation nor another challenge takes it back.
-- Takes: the tenant that pays, and an array of one {payment_id, request_id}.
-- Returns: one row: the payment's status, and an `outcome`: posted; exists (it was presented before); too_late (the time to present it is
-- over); hold_expired (its money is held no longer); settled (it was collected); revoked (it ended otherwise); not_found.
-- Locks: the transaction, then the payment. Never: moves money.
CREATE OR REPLACE FUNCTION paying_present(tenant uuid, items jsonb)
RETURNS TABLE (outcome text, id uuid, status text, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    asked CONSTANT uuid := (items -> 0 ->> 'payment_id')::uuid;
    payment paying_payment;
    token paying_paymenttoken;
    moment timestamptz;
BEGIN
    PERFORM stored.id FROM metering_transaction stored
    WHERE stored.tenant_id = tenant
        AND stored.id = (SELECT found.transaction_id FROM paying_payment found WHERE found.tenant_id = tenant AND found.id = asked)
    FOR NO KEY UPDATE;
    SELECT * INTO payment FROM paying_payment stored WHERE stored.tenant_id = tenant AND stored.id = asked FOR NO KEY UPDATE;
    SELECT * INTO token FROM paying_paymenttoken stored WHERE stored.tenant_id = tenant AND stored.payment_id = asked;
    moment := ledger_now();
    outcome := paying_refuse_token(payment, token, moment);
    IF outcome IS NULL AND token.expires_at <= moment THEN
        outcome := 'too_late';
    ELSIF outcome IS NULL AND payment.status = 'presented' THEN
        outcome := 'exists';
    ELSIF outcome IS NULL THEN
        outcome := 'posted';
        payment.status := 'presented';
        UPDATE paying_payment stored SET status = 'presented', updated_at = greatest(moment, stored.updated_at)
        WHERE stored.tenant_id = tenant AND stored.id = asked;
        UPDATE paying_paymenttoken stored SET presented_at = moment WHERE stored.tenant_id = tenant AND stored.id = token.id;
        PERFORM paying_write_events(tenant, items -> 0 ->> 'request_id', ARRAY[asked], 'presented');
    END IF;
    id := payment.id;
    status := payment.status;
    RETURN NEXT;
END
$$;
