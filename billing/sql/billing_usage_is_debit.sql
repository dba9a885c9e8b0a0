-- Takes: the tenant. Returns: whether billing_usage_debit can be posted: false where the tenant has defined its type otherwise.
-- Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION billing_usage_is_debit(tenant uuid) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT NOT EXISTS (
        SELECT FROM billing_transactiontype kind
        WHERE kind.tenant_id = tenant AND kind.code = billing_usage_debit() ->> 'type' AND kind.direction <> 'debit'
    )
$$;
