-- Locks what the payments of transactions are counted by and may take, in the order of all calls.
-- Takes: the tenant, its transactions, which the caller has locked, and whether it has spending rules. Returns: nothing.
-- Locks: the counters of the transactions' entries, by id; of several transactions also their holds of credits by id, these holds' grants
-- and the customers' by id, and the wallets by id. One transaction locks these as its payments are ended. Never: decides anything.
CREATE OR REPLACE FUNCTION paying_lock_counters_and_money(tenant uuid, transactions uuid[], has_rules boolean)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    holds uuid[];
    customers text[];
    currencies text[];
BEGIN
    IF has_rules THEN
        PERFORM rules_lock_entries(tenant, transactions);
    END IF;
    IF cardinality(transactions) <= 1 THEN
        RETURN;
    END IF;
    holds := ARRAY(
        SELECT hold.id FROM credits_hold hold
        WHERE hold.tenant_id = tenant AND hold.id IN (
            SELECT leg.hold_id FROM paying_payment payment
            JOIN paying_paymentleg leg ON leg.tenant_id = tenant AND leg.payment_id = payment.id AND leg.kind = 'credits'
            WHERE payment.tenant_id = tenant AND payment.transaction_id = ANY (transactions)
        )
        ORDER BY hold.id
        FOR NO KEY UPDATE
    );
    PERFORM account.id
    FROM credits_grant account
    WHERE account.tenant_id = tenant AND account.id IN (
        SELECT line.grant_id FROM credits_holdline line WHERE line.tenant_id = tenant AND line.hold_id = ANY (holds)
    )
    ORDER BY account.id
    FOR NO KEY UPDATE;
    SELECT array_agg(payment.customer_id), array_agg(payment.currency) INTO customers, currencies
    FROM paying_payment payment
    WHERE payment.tenant_id = tenant AND payment.transaction_id = ANY (transactions);
    PERFORM paying_lock_money(tenant, customers, currencies);
END
$$;
