-- Ends payments that their transactions leave open: expires those whose money is held no longer, or releases one. What a payment of a 402
-- holds is then no cost of its transaction any more; what was captured of a prepaid one is its cost.
-- Takes: the tenant, and a JSON array of {payment_id, kind ('expired' or 'released'), reason, actor, request_id}.
-- Returns: for each, in order, the payment and an `outcome`: posted; not_found; exists (it ended the same way before, or an earlier call
-- released it); closed (it ended otherwise: `status`); not_due (it is to expire, and its time hasn't come); presented (whom it pays may
-- still collect it).
-- Locks: the tenant's rules, shared; the transactions by id; as paying_lock_counters_and_money; the payments; then as paying_end_payment
-- and metering_finish_changes. Never: takes money.
CREATE OR REPLACE FUNCTION paying_end_payments(tenant uuid, items jsonb)
RETURNS TABLE (outcome text, id uuid, status text, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item record;
    payment paying_payment;
    moment timestamptz;
    ending text;
    owner metering_transaction;
    transactions CONSTANT uuid[] := paying_lock_transactions(tenant, ARRAY(
        SELECT asked.payment_id FROM jsonb_to_recordset(items) AS asked (payment_id uuid)
    ));
    has_rules CONSTANT boolean := EXISTS (SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.has_rules);
    deltas metering_delta[] := '{}';
    changes metering_change[] := '{}';
BEGIN
    FOR item IN
        SELECT * FROM jsonb_to_recordset(items) AS asked (payment_id uuid, kind text, reason text, actor text, request_id text)
    LOOP
        SELECT * INTO payment FROM paying_payment stored
        WHERE stored.tenant_id = tenant AND stored.id = item.payment_id
        FOR NO KEY UPDATE;
        moment := ledger_now();
        ending := CASE WHEN payment.hold_expires_at <= moment THEN 'expired' ELSE item.kind END;
        outcome := CASE
            WHEN payment.id IS NULL THEN 'not_found'
            WHEN payment.status = item.kind THEN 'exists'
            WHEN (paying_find_call(tenant, payment.id, item.kind, NULL)).id IS NOT NULL THEN 'exists'
            WHEN payment.closed_at IS NOT NULL THEN 'closed'
            WHEN item.kind = 'expired' AND payment.hold_expires_at > moment THEN 'not_due'
            WHEN payment.status = 'presented' AND payment.hold_expires_at > moment THEN 'presented'
            ELSE 'posted'
        END;
        IF outcome = 'posted' THEN
            UPDATE paying_payment stored SET reason = coalesce(item.reason, '')
            WHERE stored.tenant_id = tenant AND stored.id = payment.id AND item.reason <> '';
            payment := paying_end_payment(tenant, payment, 0, ending, moment, item.actor, item.request_id);
            IF ending = 'released' THEN
                PERFORM paying_write_call(
                    tenant, payment, 'released', 0, payment.hold_expires_at, true, NULL, '', moment, item.actor, item.request_id
                );
            END IF;
            IF payment.kind = 'x402' OR payment.captured > 0 THEN
                SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = payment.transaction_id;
                deltas := deltas || paying_write_cost(tenant, owner, payment, item.actor, item.request_id, moment);
                changes := changes || (owner.id, moment, NULL, false)::metering_change;
            END IF;
        END IF;
        id := payment.id;
        status := payment.status;
        RETURN NEXT;
    END LOOP;
    IF changes <> '{}' THEN
        PERFORM metering_finish_changes(tenant, has_rules, transactions, changes, deltas, items -> 0 ->> 'request_id');
    END IF;
END
$$;
