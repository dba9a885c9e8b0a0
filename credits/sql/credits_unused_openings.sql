-- Decides which grants of an array are to be made: of each key, or id without a key, the first, unless a grant has it already.
-- Takes: a tenant, openings. Returns: ids. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_unused_openings(tenant uuid, items credits_opening[]) RETURNS uuid[] LANGUAGE sql STABLE
AS $$
    SELECT ARRAY(
        SELECT DISTINCT ON (coalesce(item.idempotency_key, item.id::text)) item.id
        FROM unnest(items) WITH ORDINALITY item
        WHERE NOT EXISTS (
            SELECT FROM credits_grant known
            WHERE known.tenant_id = tenant AND (known.idempotency_key = item.idempotency_key OR known.id = item.id)
        )
        ORDER BY coalesce(item.idempotency_key, item.id::text), item.ordinality
    )
$$;
