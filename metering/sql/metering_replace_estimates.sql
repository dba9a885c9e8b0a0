-- Supersedes the estimates that a payment was captured for by one actual cost, or by zero where the call failed.
-- Takes: the tenant, the transaction's row before the item, the item, the payment, which is closed, whether the call failed, and the moment.
-- Returns: the changes to the sums; none where an actual cost was known. Locks: the costs, whose transaction is locked.
-- Never: touches an actual cost.
CREATE OR REPLACE FUNCTION metering_replace_estimates(
    tenant uuid, owner metering_transaction, item metering_amendment, payment uuid, has_failed boolean, moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    paid paying_payment;
    estimates CONSTANT metering_cost[] := ARRAY(
        SELECT known FROM metering_cost known
        WHERE known.tenant_id = tenant AND known.transaction_id = owner.id AND known.is_active AND known.is_estimate
            AND known.fiat_asset_symbol = (
                SELECT kept.currency FROM paying_payment kept WHERE kept.tenant_id = tenant AND kept.id = payment
            )
        ORDER BY known.id DESC
    );
    actual metering_new_cost;
    written metering_amendment := item;
BEGIN
    IF cardinality(estimates) = 0 THEN
        RETURN '{}';
    END IF;
    SELECT * INTO paid FROM paying_payment kept WHERE kept.tenant_id = tenant AND kept.id = payment;
    actual.id := metering_new_id();
    actual.amount := (SELECT sum(known.fiat_amount) FROM unnest(estimates) AS known WHERE NOT has_failed);
    actual.amount := coalesce(actual.amount, 0);
    actual.currency := paid.currency;
    actual.is_estimate := false;
    actual.details := json_build_object(
        'source', CASE WHEN has_failed THEN 'payment_release' ELSE 'payment_capture' END, 'protocol', paid.kind,
        'paymentTransactionId', paid.id, 'capturedAmount', trim_scale(paid.captured)::text, 'originalAmount', paid.amount::text
    )::text;
    -- A key is on one cost at most.
    written.idempotency_key := NULL;
    IF (item.cost).id IS NOT NULL AND (item.fact).id IS NULL THEN
        -- The digest of a cost that the caller states isn't that of this one. Zero bytes say that the caller gave nothing.
        written.digest := repeat('0', length(item.digest));
    END IF;
    written.fact := NULL;
    written.cost := actual;
    RETURN metering_insert_cost(tenant, written, owner, estimates, moment);
END
$$;
