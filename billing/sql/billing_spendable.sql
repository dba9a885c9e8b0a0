-- Computes how much of a wallet's balance can be taken before its floor is reached. People read it in the reason of a payment that
-- paying_hold_wallet denies; billing_floor_allows decides.
--
-- Takes: a balance, what holds reserve of it, and the floor, or NULL for none, which counts as zero here.
-- Returns: an amount, below zero where the balance is below the floor. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_spendable(balance numeric, held numeric, floor numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT balance - held - coalesce(floor, 0)
$$;
