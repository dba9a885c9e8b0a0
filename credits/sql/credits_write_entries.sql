-- Writes transactions that were decided together, and updates their grants to the newest of them. Called by credits_post_array_if_plain; a
-- single transaction is written by credits_write_entry.
-- Takes: a tenant, rows in the order of their numbers. Returns: true; or false, with nothing written, where a key was used before.
-- Locks: nothing; the caller has locked the grants. Never: decides whether a transaction may be written.
CREATE OR REPLACE FUNCTION credits_write_entries(tenant uuid, entries credits_transaction[]) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    newest jsonb;
BEGIN
    BEGIN
        INSERT INTO credits_transaction
            (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
             billing_run_id, occurred_at, created_at, reverses_id, consumption_id, hold_id, chosen_by, idempotency_key, facts_digest,
             actor, request_id)
        SELECT tenant, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
               billing_run_id, occurred_at, created_at, reverses_id, consumption_id, hold_id, chosen_by, idempotency_key, facts_digest,
               actor, request_id
        FROM unnest(entries);
    EXCEPTION WHEN unique_violation THEN
        RETURN false;
    END;
    -- One newest entry for each grant: of two values with one name, a jsonb object keeps the later. An object is used because a join with
    -- an array would compare every pair. The time is in it as a number: Citus refuses an UPDATE whose values are parsed by the session's
    -- settings.
    SELECT jsonb_object_agg(grant_id, jsonb_build_array(balance_after, entry_number, extract(epoch FROM created_at)) ORDER BY entry_number)
    INTO newest FROM unnest(entries);
    UPDATE credits_grant grant_row
    SET balance = (newest -> id::text ->> 0)::numeric, last_entry_number = (newest -> id::text ->> 1)::bigint,
        last_entry_at = to_timestamp((newest -> id::text ->> 2)::double precision)
    WHERE tenant_id = tenant AND id = ANY (ARRAY(SELECT DISTINCT grant_id FROM unnest(entries)));
    RETURN true;
END
$$;
