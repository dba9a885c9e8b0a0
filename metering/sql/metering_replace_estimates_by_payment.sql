-- Supersedes the estimates that a payment was captured for by one actual cost: what the transaction cost in its currency beyond the actual
-- costs that are known.
--
-- Takes: the tenant, the transaction's row before the item, the item, the payment, which is closed, what the transaction cost, whether the
-- call failed, and the moment.
-- Returns: the changes to the sums; none where nothing was estimated and nothing is missing.
-- Locks: the costs, whose transaction is locked.
-- Never: touches an actual cost.
CREATE OR REPLACE FUNCTION metering_replace_estimates_by_payment(
    tenant uuid, owner metering_transaction, item metering_amendment, payment uuid, cost numeric, has_failed boolean,
    moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    paid paying_payment;
    estimates metering_cost[];
    actual metering_new_cost;
    written metering_amendment := item;
BEGIN
    SELECT * INTO paid FROM paying_payment stored WHERE stored.tenant_id = tenant AND stored.id = payment;
    SELECT
        coalesce(array_agg(known ORDER BY known.id DESC) FILTER (WHERE known.is_estimate), '{}'),
        greatest(cost - coalesce(sum(known.fiat_amount) FILTER (WHERE NOT known.is_estimate), 0), 0)
    INTO estimates, actual.amount
    FROM metering_cost known
    WHERE known.tenant_id = tenant AND known.transaction_id = owner.id AND known.is_active AND known.fiat_asset_symbol = paid.currency
        AND known.payment_id IS NULL;
    IF cardinality(estimates) = 0 AND actual.amount = 0 THEN
        RETURN '{}';
    END IF;
    actual.id := ledger_new_id();
    actual.currency := paid.currency;
    actual.is_estimate := false;
    actual.details := json_build_object(
        'source', CASE WHEN has_failed AND actual.amount = 0 THEN 'payment_release' ELSE 'payment_capture' END, 'protocol', paid.kind,
        'paymentTransactionId', paid.id, 'capturedAmount', trim_scale(paid.captured)::text, 'originalAmount', paid.amount::text
    )::text;
    -- A key is on one cost at most.
    written.idempotency_key := NULL;
    IF (item.cost).id IS NOT NULL AND (item.fact).id IS NULL THEN
        -- The digest of a cost that the caller states isn't that of this one. Zero bytes say that the caller gave nothing.
        written.facts_digest := metering_no_facts_digest();
    END IF;
    written.fact := NULL;
    written.cost := actual;
    RETURN metering_insert_cost(tenant, written, owner, estimates, moment);
END
$$;
