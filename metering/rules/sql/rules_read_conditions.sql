-- A rule's conditions.
-- Takes: the tenant and the rule. Returns: a JSON array of {group, type, name, operator, value}, in one order for the same conditions.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION rules_read_conditions(tenant uuid, rule uuid)
RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN coalesce((
        SELECT jsonb_agg(
            jsonb_build_object(
                'group', part.condition_group, 'type', part.field_type, 'name', part.field_name, 'operator', part.operator,
                'value', part.value
            )
            ORDER BY part.condition_group, part.field_type, part.field_name, part.operator, part.value
        )
        FROM rules_rulecondition AS part
        WHERE part.tenant_id = tenant AND part.rule_id = rule AND part.removed_at IS NULL
    ), '[]');
END
$$;
