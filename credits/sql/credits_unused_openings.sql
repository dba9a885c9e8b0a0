-- Decides which grants of an array are to be created: of each key (or id, without a key) the first in the array, unless a grant has it
-- already.
-- Takes: a tenant, openings. Returns: ids. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_unused_openings(tenant uuid, items credits_opening[]) RETURNS uuid[] LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT ON (coalesce(item.idempotency_key, item.id::text)) item.id
        FROM unnest(items) WITH ORDINALITY item
        WHERE NOT EXISTS (
            SELECT FROM credits_grant existing
            WHERE existing.tenant_id = tenant AND (existing.idempotency_key = item.idempotency_key OR existing.id = item.id)
        )
        ORDER BY coalesce(item.idempotency_key, item.id::text), item.ordinality
    );
END
$$;
