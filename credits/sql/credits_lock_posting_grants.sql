-- Locks, before the first posting is decided, the grants of all postings and those that they may roll over to. An expiry rolls over, and so
-- does credit that is given back to a grant past its last day, because it expires again at once.
-- Takes: a tenant, postings. Returns: nothing.
-- Locks: grants, in the order of their ids, so that calls with common grants wait for each other in one direction and can't deadlock.
-- Never: changes a row.
CREATE OR REPLACE FUNCTION credits_lock_posting_grants(tenant uuid, items credits_posting[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    grants uuid[] := ARRAY(SELECT DISTINCT grant_id FROM unnest(items));
BEGIN
    IF EXISTS (SELECT FROM unnest(items) WHERE kind = 'expiry' OR type = 'CREDIT') THEN
        grants := grants || credits_later_periods(tenant, grants);
    END IF;
    PERFORM FROM credits_grant WHERE tenant_id = tenant AND id = ANY (grants) ORDER BY id FOR NO KEY UPDATE;
END
$$;
