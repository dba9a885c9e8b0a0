-- Computes how much of a transaction is left to reverse: its amount, less what was reversed. `reversed_by` is the newest reversal.
-- Takes: a tenant, a transaction's id. Returns: one row. Locks: nothing; a caller that decides by it has locked the grant.
CREATE OR REPLACE FUNCTION credits_left_to_reverse(tenant uuid, of_transaction uuid, OUT amount numeric, OUT reversed_by uuid)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    SELECT coalesce(min(original.amount), 0) - coalesce(sum(reversal.amount), 0),
           (array_agg(reversal.id ORDER BY reversal.entry_number DESC))[1]
    INTO amount, reversed_by
    FROM credits_transaction original
    LEFT JOIN credits_transaction reversal ON reversal.tenant_id = tenant AND reversal.reverses_id = original.id
    WHERE original.tenant_id = tenant AND original.id = of_transaction;
END
$$;
