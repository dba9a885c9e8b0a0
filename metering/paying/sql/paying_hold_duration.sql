-- For how long the money of a tenant that holds estimates is held: a day, or the longest hold that its ledgers allow.
-- Takes: the tenant. Returns: the duration. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_hold_duration(tenant uuid)
RETURNS interval
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    longest CONSTANT integer := least(
        (SELECT policy.longest_hold_seconds FROM billing_policy policy WHERE policy.tenant_id = tenant),
        (SELECT policy.longest_hold_seconds FROM credits_policy policy WHERE policy.tenant_id = tenant)
    );
BEGIN
    RETURN least(interval '24 hours', make_interval(secs => longest));
END
$$;
