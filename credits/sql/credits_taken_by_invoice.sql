-- Computes how much an invoice took of a grant and didn't give back: debits that cite it less credits that cite it.
-- Takes: a tenant, a grant's id, an invoice's id. Returns: units. Locks: nothing; a caller that decides by it has locked the grant.
CREATE OR REPLACE FUNCTION credits_taken_by_invoice(tenant uuid, of_grant uuid, of_invoice text) RETURNS numeric LANGUAGE sql STABLE
AS $$
    SELECT coalesce(sum(CASE cited.type WHEN 'DEBIT' THEN cited.amount ELSE -cited.amount END), 0)
    FROM credits_transaction cited
    WHERE cited.tenant_id = tenant AND cited.grant_id = of_grant AND cited.invoice_id = of_invoice AND cited.invoice_id <> ''
$$;
