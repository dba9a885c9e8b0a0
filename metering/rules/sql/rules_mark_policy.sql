-- Says on a tenant's policy whether its postings have to ask the rules: it has an active rule, or a measure that is counted.
-- Takes: the tenant, and who changed that. Returns: nothing.
-- Locks: the policy. The caller holds the tenant's rules alone. Never: changes anything else of a policy.
CREATE OR REPLACE FUNCTION rules_mark_policy(tenant uuid, actor text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    needed CONSTANT boolean := EXISTS (
        SELECT FROM rules_spendingrule AS rule WHERE rule.tenant_id = tenant AND rule.status = 'active'
    ) OR EXISTS (
        SELECT FROM rules_rulemeasure AS measure WHERE measure.tenant_id = tenant AND measure.is_counting
    );
BEGIN
    INSERT INTO metering_policy AS stored (id, tenant_id, authorizes_at_once, has_rules, actor)
    VALUES (ledger_new_id(), tenant, true, needed, actor)
    ON CONFLICT (tenant_id) DO UPDATE SET has_rules = excluded.has_rules
    WHERE stored.tenant_id = tenant AND stored.has_rules <> excluded.has_rules;
END
$$;
