-- Decides when the next hold entries of some grants are booked: now, or a microsecond after their newest entry if the clock stepped back.
-- Takes: a tenant, grants' ids, the moment taken under the locks. Returns: a moment. Locks: nothing; the caller has locked the grants.
CREATE OR REPLACE FUNCTION credits_next_hold_entry_time(tenant uuid, grants uuid[], moment timestamp with time zone)
RETURNS timestamp with time zone
LANGUAGE sql STABLE
AS $$
    SELECT greatest(moment, max(newest.created_at) + interval '1 microsecond')
    FROM unnest(grants) of_grant (id)
    LEFT JOIN LATERAL (
        SELECT entry.created_at FROM credits_holdentry entry
        WHERE entry.tenant_id = tenant AND entry.grant_id = of_grant.id
        ORDER BY entry.created_at DESC, entry.id DESC
        LIMIT 1
    ) newest ON true
$$;
