-- Whether a limit of an active rule needs a measure.
-- Takes: the tenant and the measure. Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_is_needed(tenant uuid, measure uuid)
RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM rules_ruleparameter AS parameter
        JOIN rules_spendingrule AS rule ON rule.tenant_id = tenant AND rule.id = parameter.rule_id
        WHERE parameter.tenant_id = tenant AND parameter.measure_id = measure AND parameter.removed_at IS NULL
            AND rule.status = 'active' AND rule.rule_type = 'usage_limit'
    );
END
$$;
