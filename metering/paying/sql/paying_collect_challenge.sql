-- Collects a payment of a 402: captures what the payee asks for, credits first and the wallet next, and releases the rest.
-- Takes: the tenant that pays, and an array of one {payment_id, amount (at most the payment's), payee_tenant_id, settlement_id,
-- collection_id, actor, request_id}.
-- Returns: one row: the settlement's id, the payment's status, what was collected, and an `outcome`: posted; exists (the same amount was
-- collected before); conflict (another amount was); hold_expired; revoked; not_found.
-- Locks: the tenant's rules, shared; the transaction; as paying_lock_counters_and_money; the payment; then as paying_end_payment and
-- metering_finish_changes.
-- Never: captures a part of the amount; asks for the transaction's status: a call may be completed before its resource collects.
CREATE OR REPLACE FUNCTION paying_collect_challenge(tenant uuid, items jsonb)
RETURNS TABLE (outcome text, id uuid, status text, amount numeric, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item record;
    payment paying_payment;
    token paying_paymenttoken;
    owner metering_transaction;
    moment timestamptz;
    deltas metering_delta[];
    transactions uuid[];
BEGIN
    SELECT * INTO item FROM jsonb_to_record(items -> 0) AS asked (
        payment_id uuid, amount numeric, payee_tenant_id uuid, settlement_id uuid, collection_id uuid, actor text, request_id text
    );
    transactions := paying_lock_transactions(tenant, ARRAY[item.payment_id]);
    SELECT * INTO payment FROM paying_payment stored WHERE stored.tenant_id = tenant AND stored.id = item.payment_id FOR NO KEY UPDATE;
    SELECT * INTO token FROM paying_paymenttoken stored WHERE stored.tenant_id = tenant AND stored.payment_id = item.payment_id;
    moment := greatest(ledger_now(), payment.updated_at);
    outcome := coalesce(paying_refuse_token(payment, token, moment), 'posted');
    IF outcome = 'settled' THEN
        outcome := CASE WHEN token.settled_amount = item.amount THEN 'exists' ELSE 'conflict' END;
    ELSIF outcome = 'posted' THEN
        BEGIN
            payment := paying_end_payment(tenant, payment, item.amount, 'released', moment, item.actor, item.request_id);
            IF payment.unpaid > 0 THEN
                -- Undoes what was captured since BEGIN, which is less than what was asked: all or nothing.
                RAISE EXCEPTION 'all or nothing' USING ERRCODE = 'PAY01';
            END IF;
            token.settlement_id := item.settlement_id;
            token.settled_amount := item.amount;
        EXCEPTION WHEN SQLSTATE 'PAY01' THEN
            -- Somebody ended a hold by itself, and nothing else covers it.
            outcome := 'hold_expired';
        END;
    END IF;
    IF outcome = 'posted' THEN
        UPDATE paying_paymenttoken stored
        SET presented_at = coalesce(stored.presented_at, moment), settlement_id = item.settlement_id, settled_amount = item.amount,
            settled_at = moment
        WHERE stored.tenant_id = tenant AND stored.id = token.id;
        IF item.amount > 0 THEN
            INSERT INTO paying_collection (id, tenant_id, payment_id, payee_tenant_id, pay_to, currency, amount, created_at)
            VALUES (item.collection_id, tenant, payment.id, item.payee_tenant_id, token.pay_to, payment.currency, item.amount, moment);
        END IF;
        SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = payment.transaction_id;
        deltas := metering_write_payment_cost(tenant, owner, payment.id, item.actor, item.request_id, moment);
        PERFORM metering_finish_changes(
            tenant, EXISTS (SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.has_rules), transactions,
            ARRAY[(owner.id, moment, NULL, false)::metering_change], deltas, item.request_id
        );
    END IF;
    id := token.settlement_id;
    status := payment.status;
    amount := token.settled_amount;
    RETURN NEXT;
END
$$;
