-- Ends payments that their transactions leave open: expires those whose money is held no longer, or releases one by hand.
-- Takes: the tenant, and a JSON array of {payment_id, kind ('expired' or 'released'), reason, actor, request_id}.
-- Returns: for each, in order, the payment and an `outcome`: posted; not_found; exists (it ended the same way before); closed (it ended
-- otherwise: `status`); not_due (it is to expire, and its time hasn't come).
-- Locks: the transactions by id, the payments by id, then as paying_close. Never: takes money.
CREATE OR REPLACE FUNCTION paying_end(tenant uuid, postings jsonb)
RETURNS TABLE (outcome text, id uuid, status text, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item record;
    payment paying_payment;
    moment timestamptz;
    ending text;
BEGIN
    PERFORM kept.id
    FROM metering_transaction kept
    WHERE kept.tenant_id = tenant AND kept.id IN (
        SELECT open.transaction_id FROM paying_payment open
        WHERE open.tenant_id = tenant AND open.id IN (
            SELECT asked.payment_id FROM jsonb_to_recordset(postings) AS asked (payment_id uuid)
        )
    )
    ORDER BY kept.id
    FOR NO KEY UPDATE;
    FOR item IN
        SELECT * FROM jsonb_to_recordset(postings) AS asked (payment_id uuid, kind text, reason text, actor text, request_id text)
    LOOP
        SELECT * INTO payment FROM paying_payment kept
        WHERE kept.tenant_id = tenant AND kept.id = item.payment_id
        FOR NO KEY UPDATE;
        moment := paying_now();
        ending := CASE WHEN payment.hold_expires_at <= moment THEN 'expired' ELSE item.kind END;
        outcome := CASE
            WHEN payment.id IS NULL THEN 'not_found'
            WHEN payment.status = item.kind THEN 'exists'
            WHEN payment.status <> 'authorized' THEN 'closed'
            WHEN item.kind = 'expired' AND payment.hold_expires_at > moment THEN 'not_due'
            ELSE 'posted'
        END;
        IF outcome = 'posted' THEN
            UPDATE paying_payment kept SET reason = coalesce(item.reason, '')
            WHERE kept.tenant_id = tenant AND kept.id = payment.id AND item.reason <> '';
            payment := paying_close(tenant, payment, 0, ending, moment, item.actor, item.request_id);
        END IF;
        id := payment.id;
        status := payment.status;
        RETURN NEXT;
    END LOOP;
END
$$;
