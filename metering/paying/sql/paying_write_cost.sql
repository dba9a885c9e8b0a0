-- Writes what a payment that has ended cost, in place of what it was expected to: for a payment of a 402 as metering_write_payment_cost;
-- for a prepaid one of which something was captured by calls of its own, that instead of the estimates.
--
-- Takes: the tenant, the transaction's row, the payment, who asks, and the moment.
-- Returns: the changes to the sums.
-- Locks: the costs, whose transaction is locked.
-- Never: touches another actual cost.
CREATE OR REPLACE FUNCTION paying_write_cost(
    tenant uuid, owner metering_transaction, payment paying_payment, for_actor text, request text, moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    item metering_amendment;
BEGIN
    IF payment.kind = 'x402' THEN
        RETURN metering_write_payment_cost(tenant, owner, payment.id, for_actor, request, moment);
    END IF;
    IF NOT EXISTS (
        SELECT FROM paying_paymentcall call WHERE call.tenant_id = tenant AND call.payment_id = payment.id AND call.kind = 'captured'
    ) THEN
        RETURN '{}';
    END IF;
    item.actor := for_actor;
    item.request_id := request;
    -- No caller stated this cost, so its digest covers no facts.
    item.facts_digest := metering_no_facts_digest();
    RETURN metering_replace_estimates_by_payment(tenant, owner, item, payment.id, payment.captured, false, moment);
END
$$;
