-- Writes the cost that a payment of a 402 is at present: what it holds, in place of the estimates in its currency; what was captured, in
-- place of what it held; or zero, where it holds nothing any more.
--
-- Takes: the tenant, the transaction's row, the payment, which is written, who asks, and the moment.
-- Returns: the changes to the sums; none where as much was captured as was held: that row stays.
-- Locks: the costs, whose transaction is locked.
-- Never: touches another actual cost.
CREATE OR REPLACE FUNCTION metering_write_payment_cost(
    tenant uuid, owner metering_transaction, payment uuid, actor text, request text, moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    paid paying_payment;
    superseded metering_cost[];
    cost metering_new_cost;
    item metering_amendment;
    is_open boolean;
BEGIN
    SELECT * INTO paid FROM paying_payment stored WHERE stored.tenant_id = tenant AND stored.id = payment;
    is_open := paid.closed_at IS NULL;
    superseded := ARRAY(
        SELECT known FROM metering_cost known
        WHERE known.tenant_id = tenant AND known.transaction_id = owner.id AND known.is_active AND CASE
            WHEN is_open THEN known.is_estimate AND known.fiat_asset_symbol = paid.currency
            ELSE known.payment_id = paid.id
        END
        ORDER BY known.id DESC
    );
    IF NOT is_open AND superseded[1].fiat_amount = paid.captured THEN
        RETURN '{}';
    END IF;
    cost.id := ledger_new_id();
    cost.amount := CASE WHEN is_open THEN paid.amount ELSE paid.captured END;
    cost.currency := paid.currency;
    cost.is_estimate := false;
    cost.payment_id := paid.id;
    SELECT json_strip_nulls(json_build_object(
        'source', CASE
            WHEN is_open THEN 'payment_transaction' WHEN token.settled_at IS NOT NULL THEN 'payment_capture' ELSE 'payment_release'
        END,
        'network', token.network, 'protocol', paid.kind, 'paymentTransactionId', paid.id,
        'capturedAmount', CASE WHEN NOT is_open THEN trim_scale(paid.captured)::text END,
        'originalAmount', CASE WHEN NOT is_open THEN paid.amount::text END
    ))::text INTO cost.details
    FROM paying_paymenttoken token WHERE token.tenant_id = tenant AND token.payment_id = paid.id;
    item.actor := actor;
    item.request_id := request;
    -- No caller stated this cost, so its digest covers no facts.
    item.facts_digest := metering_no_facts_digest();
    item.cost := cost;
    RETURN metering_insert_cost(tenant, item, owner, superseded, moment);
END
$$;
