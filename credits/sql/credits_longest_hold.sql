-- Until when a hold may last, by the tenant's policy.
-- Takes: a tenant, the moment at which the hold was placed. Returns: the last moment, or null where the policy sets no limit.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_longest_hold(tenant uuid, placed timestamp with time zone) RETURNS timestamp with time zone
LANGUAGE sql STABLE
AS $$
    SELECT placed + make_interval(secs => policy.longest_hold_seconds) FROM credits_policy policy WHERE policy.tenant_id = tenant
$$;
