-- Holds the money for a transaction of a tenant that holds estimates, which is about to be recorded, or to be authorized.
--
-- Takes: as paying_payments_for_costs.
-- Returns: as paying_hold_all_or_none.
-- Locks: as paying_hold_all_or_none; the caller has locked the transaction, if it exists, and the counters of the tenant's rules.
-- Never: writes the payments; paying_insert_payments does.
CREATE OR REPLACE FUNCTION paying_hold_estimates(
    tenant uuid, transaction uuid, round smallint, customer text, agent_customer text, costs jsonb, actor text, request text
)
RETURNS paying_hold_result
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN paying_hold_all_or_none(
        tenant, paying_payments_for_costs(tenant, transaction, round, customer, agent_customer, costs, actor, request),
        paying_hold_duration(tenant)
    );
END
$$;
