-- Whether one condition holds.
-- Takes: the field's value (null: absent), the operator, and the text it compares with.
-- Returns: true or false. Texts compare exactly, `greater_than` and `less_than` compare decimals, `contains` of an array means a member.
-- An absent field holds only for the two negated operators. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_condition_holds(value json, operator text, wanted text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    written text;
    is_contained boolean;
BEGIN
    IF value IS NULL THEN
        RETURN operator IN ('not_equals', 'not_contains');
    END IF;
    written := value #>> '{}';
    IF operator IN ('contains', 'not_contains') THEN
        is_contained := CASE json_typeof(value)
            WHEN 'array' THEN EXISTS (SELECT FROM json_array_elements_text(value) AS element WHERE element = wanted)
            ELSE position(wanted IN written) > 0
        END;
        RETURN is_contained = (operator = 'contains');
    END IF;
    RETURN CASE operator
        WHEN 'equals' THEN written = wanted
        WHEN 'not_equals' THEN written <> wanted
        WHEN 'greater_than' THEN coalesce(rules_decimal(written) > rules_decimal(wanted), false)
        WHEN 'less_than' THEN coalesce(rules_decimal(written) < rules_decimal(wanted), false)
    END;
END
$$;
