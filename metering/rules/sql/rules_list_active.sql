-- A tenant's active rules in the order in which they decide: payment authorization, blocklists, allowlists, limits; each by number.
-- Takes: the tenant.
-- Returns: of each rule its id, version, label for people, type, whether a person decides where it denies, its agents (none: all of them)
-- and its conditions, as rules_matches takes them. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_list_active(tenant uuid)
RETURNS TABLE (id uuid, version integer, label text, rule_type text, is_manual boolean, agents uuid[], conditions jsonb)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT rule.id, rule.version, rules_formatted_id(rule.numeric_id),
        rule.rule_type::text, rule.resolution_strategy = 'manual',
        ARRAY(
            SELECT chosen.agent_id FROM rules_agentrule AS chosen
            WHERE chosen.tenant_id = tenant AND chosen.rule_id = rule.id AND chosen.removed_at IS NULL
            ORDER BY chosen.agent_id
        ),
        rules_read_conditions(tenant, rule.id)
    FROM rules_spendingrule AS rule
    WHERE rule.tenant_id = tenant AND rule.status = 'active'
    ORDER BY CASE rule.rule_type WHEN 'payment_authorization' THEN 1 WHEN 'blocklist' THEN 2 WHEN 'allowlist' THEN 3 ELSE 4 END,
        rule.numeric_id;
END
$$;
