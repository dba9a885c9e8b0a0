-- A group of a limit in the API's form: its values by the words of the limit's groupBy; {} where nothing groups.
-- Takes: the tenant, the limit (a rule's parameter), the group's values as a JSON array. Returns: an object; null without a limit, and
-- where the limit groups but there are no values. Locks: nothing. Never: writes. metering.rules.selectors.executions.named_group does the
-- same for what the API reads.
CREATE OR REPLACE FUNCTION rules_named_group(tenant uuid, parameter uuid, counted_group jsonb)
RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN coalesce(cardinality(named.group_by), 0) = 0 THEN '{}'::jsonb
        ELSE (
            SELECT jsonb_object_agg(word.name, counted_group -> (word.ordinal - 1)::integer)
            FROM unnest(named.group_by) WITH ORDINALITY AS word (name, ordinal)
            WHERE jsonb_typeof(counted_group) = 'array'
        )
    END
    FROM rules_ruleparameter AS named
    WHERE named.tenant_id = tenant AND named.id = parameter
$$;
