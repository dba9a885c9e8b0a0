-- Writes what the end of one payment does to the costs of its transaction, and brings all that follows them up to date: what a payment of a
-- 402 held is then what was captured of it, and what was captured of a prepaid one in parts takes the place of its estimates.
-- Takes: the tenant, the payment, which has ended, who asks, and the moment.
-- Returns: nothing. Locks: as metering_finish_changes; the caller has locked the transaction, and called paying_lock_counters_and_money.
-- Never: lowers an actual cost.
CREATE OR REPLACE FUNCTION paying_write_cost_and_sums(
    tenant uuid, payment paying_payment, for_actor text, request text, moment timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    owner metering_transaction;
BEGIN
    SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = payment.transaction_id;
    PERFORM metering_finish_changes(
        tenant, EXISTS (SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.has_rules), ARRAY[owner.id],
        ARRAY[(owner.id, moment, NULL, false)::metering_change],
        paying_write_cost(tenant, owner, payment, for_actor, request, moment), request
    );
END
$$;
