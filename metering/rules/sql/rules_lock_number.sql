-- The number of the advisory lock of a tenant's rules. Every call that posts or amends takes it shared, a call that changes a rule takes it
-- alone: a change of a rule and what it counts from before it then fit together.
-- Takes: the tenant. Returns: the number. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_lock_number(tenant uuid)
RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT uuid_hash_extended(tenant, 7001)
$$;
