-- Of several postings of one array with one key, the first that isn't refused is the row that the later ones repeat. A refused posting
-- doesn't use up its key for them.
-- Takes: the postings and their resolutions. Returns: the resolutions, with `exists` for the later ones. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION metering_resolve_repeated_keys(items metering_posting[], resolved metering_resolution[])
RETURNS metering_resolution[]
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    repeated record;
BEGIN
    IF (SELECT count(item.idempotency_key) = count(DISTINCT item.idempotency_key) FROM unnest(items) item) THEN
        RETURN resolved;
    END IF;
    FOR repeated IN
        SELECT same.ordinal, same.first FROM (
            SELECT item.ordinality AS ordinal,
                min(item.ordinality) FILTER (WHERE item.posting_outcome IN ('posted', 'unnamed')) OVER (PARTITION BY item.idempotency_key)
                    AS first
            FROM unnest(items, resolved) WITH ORDINALITY item
            WHERE item.idempotency_key IS NOT NULL
        ) same
        WHERE same.ordinal > same.first
    LOOP
        resolved[repeated.ordinal].posting_outcome := 'exists';
        resolved[repeated.ordinal].first_id := items[repeated.first].id;
        resolved[repeated.ordinal].first_digest := decode(items[repeated.first].facts_digest, 'hex');
    END LOOP;
    RETURN resolved;
END
$$;
