-- Finds the call that a capture, a release or an extension of a hold repeats.
--
-- Takes: the tenant, the hold's id, the kind of the call, and its key. A release has none: a hold is released once. Returns: at most one
-- row: its digest, the amount that it took, and the debit. For a capture it also finds a debit of the type usage that has this
-- key, though no capture posted it.
-- Locks: nothing; the caller has locked the hold's wallet. Never: writes.
CREATE OR REPLACE FUNCTION billing_hold_step_before(tenant uuid, of_hold uuid, of_kind text, key text)
RETURNS TABLE (first_digest bytea, taken numeric, transaction_id uuid)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
BEGIN
    IF of_kind = 'released' THEN
        RETURN QUERY
        SELECT entry.facts_digest AS first_digest, 0.0 AS taken, NULL::uuid AS transaction_id FROM billing_walletholdentry entry
        WHERE entry.tenant_id = tenant AND entry.hold_id = of_hold AND entry.kind = 'released' AND entry.facts_digest IS NOT NULL;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT entry.facts_digest AS first_digest, entry.amount AS taken, entry.transaction_id AS transaction_id
    FROM billing_walletholdentry entry
    WHERE entry.tenant_id = tenant AND entry.reference_id >= key AND entry.reference_id <= key AND entry.kind = of_kind
    ORDER BY entry.reference_id LIMIT 1;
    IF NOT FOUND AND of_kind = 'captured' THEN
        RETURN QUERY
        SELECT debit.facts_digest AS first_digest, debit.amount AS taken, debit.id AS transaction_id FROM billing_transaction debit
        WHERE debit.tenant_id = tenant AND debit.reference_id >= key AND debit.reference_id <= key AND debit.type = 'usage'
        ORDER BY debit.reference_id LIMIT 1;
    END IF;
END;
$$;
