-- Takes: nothing. Returns: the amount that no balance and no held amount reaches: it has more digits than their columns, numeric(38, 18).
-- BALANCE_LIMIT in kernel/ledger/money.py is the same (tests/kernel/test_money.py). Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION ledger_balance_limit() RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT 1e20
$$;
