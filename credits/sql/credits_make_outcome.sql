-- Builds the credits_outcome of a posting from its transaction and its grant.
--
-- Takes: the outcome; the transaction, posted now or before (nulls where it was refused); its grant's id; the grant after it; what the
-- decision knew of an invoice or a reversal.
-- Returns: credits_outcome.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_make_outcome(
    posting_outcome text, entry credits_transaction, of_grant uuid, grant_row credits_grant, taken numeric,
    left_to_reverse numeric, reversed_by uuid
)
RETURNS credits_outcome
LANGUAGE sql IMMUTABLE
AS $$
    -- In the order of credits_outcome's attributes. One expression, which PostgreSQL inlines: in PL/pgSQL each assignment is set up anew
    -- for each call.
    SELECT ROW(
        posting_outcome, entry.id, coalesce(entry.grant_id, of_grant), entry.customer_id, entry.type, entry.kind, entry.amount,
        entry.reason, entry.invoice_id, entry.billing_run_id, entry.occurred_at, entry.created_at, entry.entry_number, entry.balance_after,
        entry.cost_basis, entry.reverses_id, entry.consumption_id, entry.hold_id, entry.chosen_by, entry.actor, entry.request_id,
        entry.facts_digest, grant_row.balance, grant_row.held, grant_row.status, grant_row.effective_date, grant_row.expiry_date, taken,
        left_to_reverse, reversed_by
    )::credits_outcome
$$;
