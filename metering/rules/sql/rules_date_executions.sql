-- Adds to the limits of executions when they reset and when they would pass.
-- Takes: the tenant, the transaction, what is measured, and the executions. Returns: the executions. Locks nothing. Never writes.
CREATE OR REPLACE FUNCTION rules_date_executions(tenant uuid, transaction uuid, measured rules_measured[], executions jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (
        SELECT jsonb_agg(execution || jsonb_build_object('limits', (
            SELECT coalesce(jsonb_agg(rules_date_limit(tenant, transaction, measured, checked) ORDER BY one.ordinal), '[]')
            FROM jsonb_array_elements(execution -> 'limits') WITH ORDINALITY AS one (checked, ordinal)
        )) ORDER BY whole.ordinal)
        FROM jsonb_array_elements(executions) WITH ORDINALITY AS whole (execution, ordinal)
    );
END
$$;
