-- Inserts one decided entry of a grant, a row of credits_transaction (arrays: credits_write_entries; openings: credits_create_grants).
-- The unique index on the key shows whether the key was used before, so no query is needed first.
-- Takes: a tenant, a posting, its grant before it, its two times. Returns: the row; nulls where the key was used before.
-- Locks: nothing; the caller has locked the grant. Never: changes the grant.
CREATE OR REPLACE FUNCTION credits_write_entry(
    tenant uuid, item credits_posting, grant_row credits_grant, happened timestamp with time zone, booked timestamp with time zone
)
RETURNS credits_transaction
LANGUAGE plpgsql
AS $$
DECLARE
    entry credits_transaction;
    after CONSTANT numeric := grant_row.balance + CASE item.type WHEN 'CREDIT' THEN item.amount ELSE -item.amount END;
BEGIN
    INSERT INTO credits_transaction
        (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
         billing_run_id, occurred_at, created_at, reverses_id, consumption_id, hold_id, chosen_by, idempotency_key, facts_digest,
         actor, request_id)
    VALUES
        (tenant, item.id, item.grant_id, grant_row.customer_id, item.type, item.kind, item.amount, grant_row.last_entry_number + 1, after,
         credits_cost_basis(grant_row, grant_row.balance, after), coalesce(item.reason, ''), coalesce(item.invoice_id, ''),
         coalesce(item.billing_run_id, ''), happened, booked, item.reverses_id, item.consumption_id, item.hold_id, item.chosen_by,
         item.idempotency_key, item.facts_digest, item.actor, item.request_id)
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING * INTO entry;
    RETURN entry;
END
$$;
