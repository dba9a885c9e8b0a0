-- Removes wallets that a call opened and posted nothing to: a refused posting, hold or payment.
--
-- Takes: the tenant, and the ids of the wallets that the call opened. Returns: nothing. Locks: the rows that it removes.
-- Runs with the rights of its owner, because the service's role may delete no wallet. It never removes one that has an entry.
CREATE OR REPLACE FUNCTION billing_remove_unused_wallets(tenant uuid, opened uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    DELETE FROM billing_wallet WHERE tenant_id = tenant AND id = ANY (opened) AND last_entry_number = 0;
$$;
