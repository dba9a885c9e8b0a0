-- Captures a payment that was made outside of the ledgers when its call is completed: what the receipt of the resource states, which the
-- caller passes on in the header `payment-response` of its facts; without a receipt the whole, marked as unconfirmed. Where the call failed
-- or the resource says that it didn't collect, everything stays held until nobody can collect it any more, and is marked too.
--
-- Takes: the tenant, the transaction's row, the payment, which is open, the facts of the call (JSON or null), whether it failed, the
-- moment, and who asks.
-- Returns: the changes to the sums.
-- Locks: as paying_end_payment; the caller has locked the payment.
-- Never: captures more than is held.
CREATE OR REPLACE FUNCTION paying_capture_by_receipt(
    tenant uuid, owner metering_transaction, payment paying_payment, facts text, has_failed boolean, moment timestamptz, for_actor text,
    request text
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    token paying_paymenttoken;
    said CONSTANT jsonb := paying_read_receipt(facts);
    stated numeric;
    ended paying_payment;
    is_confirmed boolean;
BEGIN
    SELECT * INTO token FROM paying_paymenttoken stored WHERE stored.tenant_id = tenant AND stored.payment_id = payment.id;
    is_confirmed := coalesce(said ->> 'success' = 'true' AND said ->> 'network' = token.network, false);
    IF NOT is_confirmed AND (has_failed OR said ->> 'success' = 'false') THEN
        UPDATE paying_payment stored SET is_unconfirmed = true WHERE stored.tenant_id = tenant AND stored.id = payment.id;
        RETURN '{}';
    END IF;
    stated := CASE
        WHEN is_confirmed AND said ->> 'amount' ~ '^[0-9]{1,30}$'
            THEN (said ->> 'amount')::numeric * power(10::numeric, -(token.challenge -> 'token' ->> 'decimals')::numeric)
    END;
    is_confirmed := is_confirmed AND coalesce(stated <= payment.amount, true);
    UPDATE paying_payment stored SET is_unconfirmed = NOT is_confirmed WHERE stored.tenant_id = tenant AND stored.id = payment.id;
    ended := paying_end_payment(
        tenant, payment, least(coalesce(stated, payment.amount), payment.amount), 'released', moment, for_actor, request
    );
    UPDATE paying_paymenttoken stored
    SET settlement_id = ledger_new_id(), settled_amount = ended.captured, settled_at = moment,
        receipt = CASE WHEN is_confirmed THEN left(coalesce(said ->> 'transaction', ''), 255) ELSE '' END
    WHERE stored.tenant_id = tenant AND stored.id = token.id;
    RETURN metering_write_payment_cost(tenant, owner, payment.id, for_actor, request, moment);
END
$$;
