-- Decides whether a rule applies to a transaction, or whether a measure sums the transaction.
-- Takes: the transaction; the conditions, a JSON array of {group, type, name, operator, value}; and the agents (none: all of them).
-- Returns: true or false. All conditions of a group must hold, and one of the groups is enough. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_matches(subject rules_subject, conditions jsonb, agents uuid[])
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF cardinality(agents) > 0 AND NOT coalesce(subject.agent_id = ANY (agents), false) THEN
        RETURN false;
    END IF;
    IF conditions IS NULL OR jsonb_array_length(conditions) = 0 THEN
        RETURN true;
    END IF;
    RETURN (
        SELECT bool_or(alternative.holds)
        FROM (
            SELECT bool_and(rules_condition_holds(
                rules_condition_value(subject, condition ->> 'type', condition ->> 'name'), condition ->> 'operator', condition ->> 'value'
            )) AS holds
            FROM jsonb_array_elements(conditions) AS condition
            GROUP BY condition ->> 'group'
        ) AS alternative
    );
END
$$;
