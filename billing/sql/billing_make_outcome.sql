-- Builds the outcome row of a posting.
--
-- Takes: the outcome; the entry that was posted or has the key already (NULL for none); the wallet's currency, balance, held amount and
-- floor; the magnitude asked for, what remains of an original, and the reversal after which nothing remained.
-- Returns: one row.
-- Locks: nothing.
-- Never: reads a table.
CREATE OR REPLACE FUNCTION billing_make_outcome(
    outcome text, entry billing_transaction, wallet_currency text, balance numeric, held numeric, floor numeric, requested numeric,
    remaining numeric, blocking_id uuid
) RETURNS billing_outcome LANGUAGE sql IMMUTABLE
AS $$
    -- In the order of billing_outcome's attributes. One expression, which PostgreSQL inlines: in PL/pgSQL each assignment is set up anew
    -- for each call.
    SELECT ROW(
        outcome, entry.id, entry.tenant_id, entry.wallet_id, coalesce(entry.currency, wallet_currency), entry.entry_number, entry.type,
        entry.direction, entry.amount, entry.effect, entry.balance_after, entry.reference_id, entry.agent_id, entry.description,
        entry.metadata::text, entry.occurred_at, entry.created_at, entry.reverses_id, entry.reason_code, entry.reason,
        entry.reversed_amount, entry.reversed_by_id, entry.flags, entry.near_duplicate_of_id, entry.actor, entry.facts_digest,
        wallet_currency, balance, held, floor, requested, remaining, blocking_id
    )::billing_outcome
$$;
