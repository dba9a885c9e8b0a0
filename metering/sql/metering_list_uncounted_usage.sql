-- The transactions whose usage is to be counted: those that a note names, and those that were recorded since the tenant's progress.
-- Takes: the tenant, and how many of each kind at most. Returns: the notes' transactions with their notes' ids, then the new ones in the
-- order in which they were recorded, each with that time. Locks: nothing: the caller holds the tenant's lock of counting.
CREATE OR REPLACE FUNCTION metering_list_uncounted_usage(tenant uuid, at_most integer)
RETURNS TABLE (transaction_id uuid, note_id uuid, recorded_at timestamptz)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT note.transaction_id, note.id, NULL::timestamptz
    FROM metering_usagenote note WHERE note.tenant_id = tenant
    ORDER BY note.transaction_id LIMIT at_most;
    RETURN QUERY
    SELECT fresh.id, NULL::uuid, fresh.created_at
    FROM metering_transaction fresh
    WHERE fresh.tenant_id = tenant
        AND fresh.created_at >= coalesce(
            (SELECT progress.counted_until FROM metering_usageprogress progress WHERE progress.tenant_id = tenant), '-infinity'
        )
        AND NOT EXISTS (SELECT FROM metering_usage usage WHERE usage.tenant_id = tenant AND usage.transaction_id = fresh.id)
    ORDER BY fresh.created_at, fresh.id LIMIT at_most;
END
$$;
