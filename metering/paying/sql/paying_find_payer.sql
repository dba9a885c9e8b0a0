-- Whose credits pay for a transaction: its customer, else its agent's, else the one that the policy names, else the tenant itself.
-- Takes: the tenant, the customer that the transaction names and the one that its agent works for, or nulls.
-- Returns: the customer's id, as the credits ledger has it. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_find_payer(tenant uuid, customer text, agent_customer text)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN coalesce(
        customer, agent_customer, (SELECT policy.payer_customer_id FROM metering_policy policy WHERE policy.tenant_id = tenant),
        (SELECT owner.slug FROM tenants_tenant owner WHERE owner.id = tenant)
    );
END
$$;
