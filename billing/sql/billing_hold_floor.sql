-- Chooses the floor by which a hold is decided: the wallet's own. A wallet without one counts as having a floor of zero, unless the caller
-- lets it be overdrawn.
--
-- Takes: the wallet's floor, or NULL for none; whether the hold may overdraw. Returns: a floor, or NULL for none.
-- Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_hold_floor(floor numeric, allow_overdraft boolean) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN floor IS NULL AND NOT coalesce(allow_overdraft, false) THEN 0 ELSE floor END
$$;
