-- Locks the grants of an array of postings before the first posting is decided, and the grants that their expiries may roll over to.
-- Takes: a tenant, postings. Returns: nothing.
-- Locks: grants, in the order of their ids, so that calls with common grants wait for each other in one direction and can't deadlock.
-- Never: changes a row.
CREATE OR REPLACE FUNCTION credits_lock_grants(tenant uuid, items credits_posting[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    grants uuid[] := ARRAY(SELECT DISTINCT grant_id FROM unnest(items));
BEGIN
    IF EXISTS (SELECT FROM unnest(items) WHERE kind = 'expiry') THEN
        grants := grants || ARRAY(
            SELECT later.id
            FROM credits_grant closed
            JOIN credits_grant later
                ON later.tenant_id = tenant AND later.schedule_id = closed.schedule_id AND later.period = closed.period + 1
            WHERE closed.tenant_id = tenant AND closed.id = ANY (grants) AND closed.schedule_id IS NOT NULL
        );
    END IF;
    PERFORM FROM credits_grant WHERE tenant_id = tenant AND id = ANY (grants) ORDER BY id FOR NO KEY UPDATE;
END
$$;
