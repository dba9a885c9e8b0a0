-- The group to which a transaction belongs.
-- Takes: the transaction, and what groups: agent, service, action, resource, trace, customer or qualifier:<key>.
-- Returns: a JSON array of the values, null for one that the transaction lacks. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_group_key(subject rules_subject, group_by text[])
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    word text;
    key jsonb := '[]';
BEGIN
    FOREACH word IN ARRAY group_by LOOP
        key := key || jsonb_build_array(CASE
            WHEN word = 'agent' THEN subject.agent_id::text
            WHEN word = 'service' THEN subject.service_name
            WHEN word = 'action' THEN subject.action_name
            WHEN word = 'resource' THEN subject.resource_name
            WHEN word = 'trace' THEN subject.trace_reference::text
            WHEN word = 'customer' THEN subject.customer_id
            ELSE rules_json_member(subject.qualifiers, substr(word, 11)) #>> '{}'
        END);
    END LOOP;
    RETURN key::text;
END
$$;
