-- The object of an event about a rule's limit: which rule, and what its limit has used.
-- Takes: the tenant, the rule, the limit's object (rules_check_limits; null where a rule without limits denies), and its group in the
-- API's form (rules_named_group).
-- Returns: a JSON object in the API's spelling; amounts are texts with 18 decimals. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_event_object(tenant uuid, rule uuid, checked jsonb, named_group jsonb)
RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT jsonb_build_object(
        'id', seen.id, 'numericId', seen.numeric_id, 'formattedId', rules_formatted_id(seen.numeric_id), 'name', seen.name,
        'ruleType', seen.rule_type, 'status', seen.status, 'version', seen.version,
        'parameterId', checked ->> 'parameter', 'group', named_group,
        'limitValue', ((checked ->> 'limit')::numeric(60, 18))::text, 'used', ((checked ->> 'used')::numeric(60, 18))::text,
        'windowEnd', checked -> 'endsAt'
    )
    FROM rules_spendingrule AS seen
    WHERE seen.tenant_id = tenant AND seen.id = rule
$$;
