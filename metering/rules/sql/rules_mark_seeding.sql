-- Shows on each rule whether history is still being counted for one of its limits.
-- Takes: the tenant. Returns: nothing. Locks: the rules whose mark changes. Never: changes anything else of a rule.
CREATE OR REPLACE FUNCTION rules_mark_seeding(tenant uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rules_spendingrule AS rule SET is_seeding = NOT rule.is_seeding
    WHERE rule.tenant_id = tenant AND rule.is_seeding <> (rule.status = 'active' AND EXISTS (
        SELECT FROM rules_ruleparameter AS parameter
        JOIN rules_rulemeasure AS measure ON measure.tenant_id = tenant AND measure.id = parameter.measure_id
        WHERE parameter.tenant_id = tenant AND parameter.rule_id = rule.id AND parameter.removed_at IS NULL AND measure.is_seeding
    ));
END
$$;
