-- Chooses the floor by which a hold or a payment is decided: the wallet's own. A wallet without one counts as having a floor of zero,
-- unless the caller lets it be overdrawn. Callers: billing_place_hold, paying_debit_wallet and paying_new_wallet_refuses.
--
-- Takes: the wallet's floor, or NULL for none; whether the wallet may be overdrawn. Returns: a floor, or NULL for none.
-- Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_floor_or_zero(floor numeric, allow_overdraft boolean) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN floor IS NULL AND NOT coalesce(allow_overdraft, false) THEN 0 ELSE floor END
$$;
