-- Locks the transactions of payments, and what ending these payments may change, in the order of all calls.
-- Takes: the tenant, and the payments. Returns: their transactions.
-- Locks: the tenant's rules, shared; the transactions by id; then as paying_lock_counters_and_money. Never: decides anything.
CREATE OR REPLACE FUNCTION paying_lock_transactions(tenant uuid, payments uuid[])
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
DECLARE
    locked uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    SELECT array_agg(owner.id) INTO locked
    FROM (
        SELECT stored.id
        FROM metering_transaction stored
        WHERE stored.tenant_id = tenant AND stored.id IN (
            SELECT payment.transaction_id FROM paying_payment payment WHERE payment.tenant_id = tenant AND payment.id = ANY (payments)
        )
        ORDER BY stored.id
        FOR NO KEY UPDATE
    ) AS owner;
    locked := coalesce(locked, '{}');
    PERFORM paying_lock_counters_and_money(tenant, locked, EXISTS (
        SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.has_rules
    ));
    RETURN locked;
END
$$;
