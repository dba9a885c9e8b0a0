-- Ends a payment, or takes more for one that has ended: what its transaction cost is taken, and the rest of its holds released.
--
-- Takes: the tenant, the payment's row, what its transaction cost so far, the status that it gets where nothing was taken and nothing is
-- due (released or expired), the moment, and who asks.
-- Returns: the payment after it.
-- Locks: as paying_take_from_holds_then_debit; the caller has locked the payment.
-- Never: gives back what was captured.
CREATE OR REPLACE FUNCTION paying_end_payment(
    tenant uuid, payment paying_payment, cost numeric, ending text, moment timestamptz, actor text, request text
)
RETURNS paying_payment
LANGUAGE plpgsql
AS $$
DECLARE
    taken paying_taken;
    closed paying_payment := payment;
BEGIN
    taken := paying_take_from_holds_then_debit(
        tenant, payment, greatest(cost - payment.captured, 0),
        CASE WHEN payment.hold_expires_at <= ledger_now() THEN 'expired' ELSE 'released' END, NULL, actor, request
    );
    closed.captured := payment.captured + taken.captured;
    closed.unpaid := greatest(cost - closed.captured, 0);
    closed.status := CASE WHEN closed.captured > 0 THEN 'captured' WHEN closed.unpaid > 0 THEN 'failed' ELSE ending END;
    closed.closed_at := coalesce(payment.closed_at, moment);
    closed.updated_at := greatest(moment, payment.updated_at);
    -- Of a payment on another network that expired nobody knows whether it was settled there.
    closed.is_unconfirmed := payment.is_unconfirmed OR (payment.payer <> 'ledger' AND ending = 'expired');
    UPDATE paying_payment stored
    SET status = closed.status, captured = closed.captured, unpaid = closed.unpaid, closed_at = closed.closed_at,
        updated_at = closed.updated_at, is_unconfirmed = stored.is_unconfirmed OR closed.is_unconfirmed
    WHERE stored.tenant_id = tenant AND stored.id = payment.id;
    PERFORM paying_insert_legs(tenant, taken.legs);
    PERFORM paying_write_events(tenant, request, ARRAY[payment.id], closed.status);
    RETURN closed;
END
$$;
