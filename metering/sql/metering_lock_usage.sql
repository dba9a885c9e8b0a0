-- Takes the tenant's lock of counting usage: one call at a time counts, so that each sees what the one before it has counted.
-- Takes: the tenant. Returns: nothing. Locks: the advisory lock, until the end of the transaction.
CREATE OR REPLACE FUNCTION metering_lock_usage(tenant uuid)
RETURNS void
LANGUAGE sql VOLATILE
AS $$
    SELECT pg_advisory_xact_lock(uuid_hash_extended(tenant, 7003))
$$;
