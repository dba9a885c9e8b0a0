-- A member of a JSON object by its name, in which dots may lead into objects.
-- Takes: the document and the name. Returns: the value; null where it is absent or JSON's null. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_json_member(document json, name text)
RETURNS json
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    found json := coalesce(document -> name, document #> string_to_array(name, '.'));
BEGIN
    RETURN CASE WHEN json_typeof(found) <> 'null' THEN found END;
END
$$;
