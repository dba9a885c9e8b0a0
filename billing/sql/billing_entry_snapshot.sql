-- Takes: an entry. Returns: what a reply about it is made of (TransactionReply), as JSON. Its metadata is a string, so that it stays as it
-- was sent. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_entry_snapshot(entry billing_transaction) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', entry.id, 'amount', entry.amount, 'type', entry.type, 'reference_id', entry.reference_id, 'agent_id', entry.agent_id,
        'description', entry.description, 'currency', entry.currency, 'balance_after', entry.balance_after,
        'occurred_at', entry.occurred_at, 'created_at', entry.created_at, 'metadata', entry.metadata::text,
        'reverses_id', entry.reverses_id, 'reversed_by_id', entry.reversed_by_id, 'reversed_amount', entry.reversed_amount,
        'reason_code', entry.reason_code, 'reason', entry.reason, 'direction', entry.direction, 'effect', entry.effect,
        'entry_number', entry.entry_number, 'flags', entry.flags, 'near_duplicate_of_id', entry.near_duplicate_of_id
    )
$$;
