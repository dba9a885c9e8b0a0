-- Pays for what was just added to a transaction: what it cost is captured when it is completed, and costs that become known later are
-- debited. What is cancelled or denied releases what it holds.
-- Takes: the tenant, the transaction's row before the item, the item, whose rows are written, the moment, and whether the tenant holds
-- estimates.
-- Returns: the changes to the sums.
-- Locks: the transaction's payments by id; then as paying_end_payment. The caller has locked the transaction,
-- and called paying_lock_counters_and_money.
-- Never: gives back what was captured.
CREATE OR REPLACE FUNCTION metering_capture_or_release_payments(
    tenant uuid, owner metering_transaction, item metering_amendment, moment timestamptz, holds_estimates boolean
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    status CONSTANT text := coalesce((item.move).to_status, owner.status);
    -- A cost may be added after a call has failed: then the row has the outcome, and the item has none.
    has_failed CONSTANT boolean := coalesce((item.move).call_outcome, owner.outcome) IS NOT DISTINCT FROM 'error';
    is_over CONSTANT boolean := status = 'completed';
    payment paying_payment;
    cost numeric;
    deltas metering_delta[] := '{}';
BEGIN
    IF is_over AND holds_estimates THEN
        PERFORM paying_add_missing_payments(tenant, owner, has_failed, moment, item.actor, item.request_id);
    END IF;
    FOR payment IN
        SELECT * FROM paying_payment stored
        WHERE stored.tenant_id = tenant AND stored.transaction_id = owner.id
        ORDER BY stored.id
        FOR NO KEY UPDATE
    LOOP
        IF payment.payer <> 'ledger' AND is_over AND payment.closed_at IS NULL THEN
            deltas := deltas || paying_capture_by_receipt(
                tenant, owner, payment, (item.fact).facts, has_failed, moment, item.actor, item.request_id
            );
        ELSIF payment.kind = 'x402' THEN
            -- The resource that it pays has seen it and may still collect it.
            IF status IN ('cancelled', 'denied', 'completed') AND payment.closed_at IS NULL
                AND (payment.status = 'authorized' OR payment.hold_expires_at <= ledger_now())
            THEN
                PERFORM paying_end_payment(
                    tenant, payment, 0, CASE WHEN payment.hold_expires_at <= ledger_now() THEN 'expired' ELSE 'released' END, moment,
                    item.actor, item.request_id
                );
                deltas := deltas || metering_write_payment_cost(tenant, owner, payment.id, item.actor, item.request_id, moment);
            END IF;
        ELSIF status IN ('cancelled', 'denied') AND payment.status = 'authorized' THEN
            payment := paying_end_payment(tenant, payment, 0, 'released', moment, item.actor, item.request_id);
            deltas := deltas || paying_write_cost(tenant, owner, payment, item.actor, item.request_id, moment);
        ELSIF is_over THEN
            SELECT coalesce(sum(known.fiat_amount), 0) INTO cost
            FROM metering_cost known
            WHERE known.tenant_id = tenant AND known.transaction_id = owner.id AND known.is_active
                AND known.fiat_asset_symbol = payment.currency AND known.payment_id IS NULL
                -- Estimates don't count where the call failed, or where a payment was captured in parts, which is better known.
                AND NOT (known.is_estimate AND (has_failed OR payment.closed_at IS NULL AND payment.captured > 0));
            cost := CASE WHEN payment.closed_at IS NULL THEN greatest(cost, payment.captured) ELSE cost END;
            IF payment.status = 'authorized' OR cost > payment.captured + payment.unpaid THEN
                payment := paying_end_payment(tenant, payment, cost, 'released', moment, item.actor, item.request_id);
            END IF;
            deltas := deltas || metering_replace_estimates_by_payment(tenant, owner, item, payment.id, cost, has_failed, moment);
        END IF;
    END LOOP;
    RETURN deltas;
END
$$;
