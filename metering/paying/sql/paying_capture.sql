-- Captures a part of what a prepaid payment holds, or all that is left of it; the rest is released, unless the call isn't final.
-- Takes: the tenant, and an array of one {payment_id, transaction_id, amount (null: all that is left), final, idempotency_key,
-- facts_digest, actor, request_id}.
-- Returns: one row: the payment after the call, what it still holds, what the call took (of a replay: the first call), and an `outcome`:
-- posted; exists (the key was used before, or the payment was captured finally: `first_digest`); not_found; collected (only the payee
-- of a 402 collects its payment); closed; exceeded; hold_ended (somebody ended a hold by itself, and nothing else covers it).
-- Locks: the tenant's rules, shared; the transaction; as paying_lock_counters_and_money; the payment; then as
-- paying_take_from_holds_then_debit and metering_finish_changes.
-- Never: captures more than is held, or a part of the amount.
CREATE OR REPLACE FUNCTION paying_capture(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, amount numeric, held numeric, captured numeric, taken numeric, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item record;
    payment paying_payment;
    after_it paying_payment;
    earlier paying_paymentcall;
    collected paying_taken;
    moment timestamptz;
    wanted numeric;
BEGIN
    SELECT * INTO item FROM jsonb_to_record(items -> 0) AS asked (
        payment_id uuid, transaction_id uuid, amount numeric, final boolean, idempotency_key text, facts_digest text, actor text,
        request_id text
    );
    PERFORM paying_lock_transactions(tenant, ARRAY[item.payment_id]);
    SELECT * INTO payment FROM paying_payment stored
    WHERE stored.tenant_id = tenant AND stored.id = item.payment_id AND stored.transaction_id = item.transaction_id
    FOR NO KEY UPDATE;
    moment := greatest(ledger_now(), payment.updated_at);
    earlier := paying_find_call(tenant, payment.id, 'captured', item.idempotency_key);
    wanted := coalesce(item.amount, payment.amount - payment.captured);
    outcome := CASE
        WHEN payment.id IS NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL THEN 'exists'
        WHEN payment.kind = 'x402' THEN 'collected'
        WHEN payment.closed_at IS NOT NULL OR payment.hold_expires_at <= moment THEN 'closed'
        WHEN wanted > payment.amount - payment.captured THEN 'exceeded'
        ELSE 'posted'
    END;
    IF outcome = 'posted' THEN
        BEGIN
            IF item.final THEN
                after_it := paying_end_payment(
                    tenant, payment, payment.captured + wanted, 'released', moment, item.actor, item.request_id
                );
            ELSE
                collected := paying_take_from_holds_then_debit(tenant, payment, wanted, 'released', (
                    SELECT count(*) + 1 FROM paying_paymentcall before WHERE before.tenant_id = tenant AND before.payment_id = payment.id
                )::integer, item.actor, item.request_id);
                after_it := payment;
                after_it.captured := payment.captured + collected.captured;
            END IF;
            IF after_it.captured < payment.captured + wanted THEN
                -- Undoes what was captured since BEGIN, which is less than what was asked: all or nothing.
                RAISE EXCEPTION 'all or nothing' USING ERRCODE = 'PAY01';
            END IF;
            payment := after_it;
        EXCEPTION WHEN SQLSTATE 'PAY01' THEN
            outcome := 'hold_ended';
        END;
    END IF;
    IF outcome = 'posted' AND NOT item.final THEN
        UPDATE paying_payment stored SET captured = payment.captured, updated_at = moment
        WHERE stored.tenant_id = tenant AND stored.id = payment.id;
        PERFORM paying_insert_legs(tenant, collected.legs);
        PERFORM paying_write_events(tenant, item.request_id, ARRAY[payment.id], 'captured');
    END IF;
    IF outcome = 'posted' THEN
        earlier := paying_write_call(
            tenant, payment, 'captured', wanted, payment.hold_expires_at, item.final, item.idempotency_key, item.facts_digest, moment,
            item.actor, item.request_id
        );
        IF item.final THEN
            PERFORM paying_write_cost_and_sums(tenant, payment, item.actor, item.request_id, moment);
        END IF;
    END IF;
    id := payment.id;
    status := CASE WHEN payment.closed_at IS NULL AND payment.hold_expires_at <= moment THEN 'expired' ELSE payment.status::text END;
    amount := payment.amount;
    held := CASE WHEN payment.closed_at IS NULL THEN payment.amount - payment.captured ELSE 0 END;
    captured := coalesce(earlier.captured_after, payment.captured);
    taken := earlier.amount;
    first_digest := earlier.facts_digest;
    RETURN NEXT;
END
$$;
