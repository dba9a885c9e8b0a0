-- Builds the credits_outcome of a posting from its transaction and its grant.
-- Takes: the outcome; the transaction, posted now or before (nulls where it was refused); the grant after it. Returns: credits_outcome.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_outcome_of(decided text, entry credits_transaction, account credits_grant) RETURNS credits_outcome
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    result credits_outcome;
BEGIN
    result.outcome := decided;
    result.id := entry.id;
    result.grant_id := entry.grant_id;
    result.customer_id := entry.customer_id;
    result.type := entry.type;
    result.kind := entry.kind;
    result.amount := entry.amount;
    result.reason := entry.reason;
    result.invoice_id := entry.invoice_id;
    result.billing_run_id := entry.billing_run_id;
    result.occurred_at := entry.occurred_at;
    result.created_at := entry.created_at;
    result.entry_number := entry.entry_number;
    result.balance_after := entry.balance_after;
    result.cost_basis := entry.cost_basis;
    result.reverses_id := entry.reverses_id;
    result.consumption_id := entry.consumption_id;
    result.hold_id := entry.hold_id;
    result.chosen_by := entry.chosen_by;
    result.actor := entry.actor;
    result.request_id := entry.request_id;
    result.first_digest := entry.facts_digest;
    result.balance := account.balance;
    result.held := account.held;
    result.status := account.status;
    result.effective_date := account.effective_date;
    result.expiry_date := account.expiry_date;
    RETURN result;
END
$$;
