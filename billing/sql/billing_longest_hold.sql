-- Until when a hold may last, by the tenant's policy.
--
-- Takes: the tenant, and the moment at which the hold was placed. Returns: the last moment, or NULL where the policy sets no limit.
-- Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION billing_longest_hold(tenant uuid, placed timestamp with time zone) RETURNS timestamp with time zone
LANGUAGE sql STABLE
AS $$
    SELECT placed + make_interval(secs => policy.longest_hold_seconds) FROM billing_policy policy WHERE policy.tenant_id = tenant
$$;
