-- Adds to each limit of the executions when its window is empty again and when it would let the transaction through
-- (rules_add_pass_time).
-- Takes: the tenant, the transaction, what is measured, and the executions. Returns: the executions. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_add_pass_times(tenant uuid, transaction uuid, measured rules_measured[], executions jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (
        SELECT jsonb_agg(execution || jsonb_build_object('limits', (
            SELECT coalesce(jsonb_agg(rules_add_pass_time(tenant, transaction, measured, checked) ORDER BY one.ordinal), '[]')
            FROM jsonb_array_elements(execution -> 'limits') WITH ORDINALITY AS one (checked, ordinal)
        )) ORDER BY whole.ordinal)
        FROM jsonb_array_elements(executions) WITH ORDINALITY AS whole (execution, ordinal)
    );
END
$$;
