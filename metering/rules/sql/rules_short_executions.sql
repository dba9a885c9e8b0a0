-- Shortens the executions of a round that was authorized: of each limit it keeps only [parameter, used, amount, limit].
-- Takes: the executions. Returns: the short executions. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_short_executions(executions jsonb)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN (
        SELECT coalesce(jsonb_agg(execution || jsonb_build_object('limits', (
            SELECT coalesce(jsonb_agg(jsonb_build_array(
                checked -> 'parameter', checked -> 'used', checked -> 'amount', checked -> 'limit'
            ) ORDER BY one.ordinal), '[]')
            FROM jsonb_array_elements(execution -> 'limits') WITH ORDINALITY AS one (checked, ordinal)
        )) ORDER BY whole.ordinal), '[]')
        FROM jsonb_array_elements(executions) WITH ORDINALITY AS whole (execution, ordinal)
    );
END
$$;
