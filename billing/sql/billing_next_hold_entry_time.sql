-- Decides when the next hold entries of a wallet are booked: now, or a microsecond after its newest entry if the clock stepped back.
--
-- Takes: the tenant, a wallet's id, the moment taken under its lock. Returns: a moment.
-- Locks: nothing; the caller has locked the wallet. Never: writes.
CREATE OR REPLACE FUNCTION billing_next_hold_entry_time(tenant uuid, of_wallet uuid, moment timestamp with time zone)
RETURNS timestamp with time zone
LANGUAGE sql STABLE
AS $$
    SELECT greatest(moment, (
        SELECT entry.created_at + interval '1 microsecond' FROM billing_walletholdentry entry
        WHERE entry.tenant_id = tenant AND entry.wallet_id = of_wallet
        ORDER BY entry.created_at DESC, entry.id DESC
        LIMIT 1
    ))
$$;
