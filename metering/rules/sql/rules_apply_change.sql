-- Makes a rule that was just written count for the decisions: called at the end of every change of a rule, in its transaction.
-- Takes: the tenant and the rule.
-- Returns: nothing.
-- Locks nothing more: the caller holds the tenant's rules_ruleset row. Never changes the rule's definition.
CREATE OR REPLACE FUNCTION rules_apply_change(tenant uuid, changed_rule uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rules_ruleset SET epoch = epoch + 1, updated_at = clock_timestamp() WHERE tenant_id = tenant;
END;
$$;
