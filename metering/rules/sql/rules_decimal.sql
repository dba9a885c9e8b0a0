-- A text as a number.
-- Takes: the text. Returns: the number; null for a text that is none, or one so large or small that no amount is meant. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_decimal(written text)
RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN written ~ '^[+-]?[0-9]{1,100}([.][0-9]{1,100})?([eE][+-]?[0-9]{1,2})?$' THEN written::numeric END
$$;
