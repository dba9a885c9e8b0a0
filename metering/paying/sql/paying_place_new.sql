-- Holds the money for a transaction of a tenant that prepays, which is about to be recorded, or to be authorized.
-- Takes: as paying_payments_for_costs. Returns: as paying_place.
-- Locks: as paying_place; the caller has locked the transaction, if it exists, and the counters of the tenant's rules.
-- Never: writes the payments; paying_record does.
CREATE OR REPLACE FUNCTION paying_place_new(
    tenant uuid, transaction uuid, round smallint, customer text, agent_customer text, costs jsonb, actor text, request text
)
RETURNS paying_placed
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN paying_place(
        tenant, paying_payments_for_costs(tenant, transaction, round, customer, agent_customer, costs, actor, request), paying_duration(tenant)
    );
END
$$;
