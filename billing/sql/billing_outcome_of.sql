-- Builds the outcome row of a posting.
--
-- Takes: the outcome; the entry that was posted or has the key already (NULL for none); the wallet's currency, balance, held amount and floor; the
-- magnitude asked for, what remains of an original, and the reversal after which nothing did.
-- Returns: one row, built by name. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_outcome_of(
    outcome text, entry billing_transaction, wallet_currency text, balance numeric, held numeric, floor numeric, requested numeric,
    remaining numeric, blocking_id uuid
) RETURNS billing_outcome LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    reply billing_outcome;
BEGIN
    reply.outcome := outcome;
    reply.id := entry.id;
    reply.tenant_id := entry.tenant_id;
    reply.wallet_id := entry.wallet_id;
    reply.currency := coalesce(entry.currency, wallet_currency);
    reply.entry_number := entry.entry_number;
    reply.type := entry.type;
    reply.direction := entry.direction;
    reply.amount := entry.amount;
    reply.effect := entry.effect;
    reply.balance_after := entry.balance_after;
    reply.reference_id := entry.reference_id;
    reply.agent_id := entry.agent_id;
    reply.description := entry.description;
    reply.metadata := entry.metadata::text;
    reply.occurred_at := entry.occurred_at;
    reply.created_at := entry.created_at;
    reply.reverses_id := entry.reverses_id;
    reply.reason_code := entry.reason_code;
    reply.reason := entry.reason;
    reply.reversed_amount := entry.reversed_amount;
    reply.reversed_by_id := entry.reversed_by_id;
    reply.flags := entry.flags;
    reply.near_duplicate_of_id := entry.near_duplicate_of_id;
    reply.actor := entry.actor;
    reply.first_digest := entry.facts_digest;
    reply.wallet_currency := wallet_currency;
    reply.balance := balance;
    reply.held := held;
    reply.floor := floor;
    reply.requested := requested;
    reply.remaining := remaining;
    reply.blocking_id := blocking_id;
    RETURN reply;
END;
$$;
