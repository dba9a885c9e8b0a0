-- Whether an amount has more digits than the columns of balances and held amounts, numeric(38, 18).
--
-- Takes: a balance or a held amount that would be written. Returns: true where it is too large, or too far below zero.
-- Locks: nothing. Never: reads a table. BALANCE_LIMIT in kernel/ledger/money.py is the same (tests/kernel/test_money.py).
CREATE OR REPLACE FUNCTION ledger_is_out_of_range(amount numeric) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT abs(amount) >= 1e20
$$;
