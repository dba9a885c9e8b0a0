-- Locks the grants of postings before the first posting is decided, and the grants that may be rolled over to: an expiry rolls over, and
-- credit that is given back to a grant past its last day expires again at once.
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
