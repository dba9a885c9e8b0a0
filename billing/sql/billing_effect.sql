-- Computes the change of a wallet's balance by an entry.
--
-- Takes: the type's direction, the entry's amount, and whether the entry is a reversal.
-- Returns: the signed change of the balance. A debit takes its amount, a reversal does the opposite of its original.
-- Locks: nothing. Never: reads a table.
--
-- The constraint billing_transaction_effect_check is a copy; tests/billing/test_decisions.py holds the two equal.
CREATE OR REPLACE FUNCTION billing_effect(direction text, amount numeric, is_reversal boolean) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN (direction = 'debit') <> is_reversal THEN -amount ELSE amount END
$$;
