-- What holds reserve of a wallet now: its `held` less its overdue holds, which may not be ended yet.
--
-- Takes: a wallet. Returns: an amount. Locks: nothing. Never: writes. It reads holds only where the wallet has any.
CREATE OR REPLACE FUNCTION billing_held_now(wallet billing_wallet) RETURNS numeric LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN wallet.held > 0 THEN billing_held_at(wallet, 'infinity', ledger_now()) ELSE 0 END
$$;
