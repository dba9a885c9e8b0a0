-- Takes: the number of a rule. Returns: how people name the rule, RL-001. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION rules_formatted_id(number integer)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT 'RL-' || lpad(number::text, greatest(3, length(number::text)), '0')
$$;
