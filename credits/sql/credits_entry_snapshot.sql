-- Takes: a transaction. Returns: what a reply about it is made of (TransactionReply), as JSON. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION credits_entry_snapshot(entry credits_transaction) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', entry.id, 'grant_id', entry.grant_id, 'reason', entry.reason, 'invoice_id', entry.invoice_id,
        'billing_run_id', entry.billing_run_id, 'type', entry.type, 'amount', entry.amount, 'occurred_at', entry.occurred_at,
        'created_at', entry.created_at, 'kind', entry.kind, 'entry_number', entry.entry_number, 'balance_after', entry.balance_after,
        'cost_basis', entry.cost_basis, 'reverses_id', entry.reverses_id, 'consumption_id', entry.consumption_id,
        'hold_id', entry.hold_id, 'chosen_by', entry.chosen_by
    )
$$;
