-- Writes the events of posted transactions, and of grants that were voided when nothing was left of them.
-- Takes: a tenant, the request id of the postings, the ids of the transactions and of those grants. Returns: nothing.
-- Locks: as events_insert; the caller has locked the grants. Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION credits_write_events(tenant uuid, request text, entries uuid[], voided uuid[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    items events_item[];
BEGIN
    IF patterns IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg((
            event.type, 'grant:' || event.grant_id, event.sequence, event.happened, event.object_id, event.snapshot
        )::events_item ORDER BY event.grant_id, event.sequence, event.ordinal) INTO items
    FROM (
        SELECT grant_row.id AS grant_id, entry.entry_number AS sequence, entry.occurred_at AS happened, kind.type, kind.ordinal,
            CASE WHEN kind.ordinal = 1 THEN entry.id ELSE grant_row.id END::text AS object_id,
            CASE WHEN kind.ordinal = 1 THEN credits_entry_snapshot(entry)
                ELSE credits_grant_snapshot(grant_row, entry.balance_after) END AS snapshot
        FROM credits_transaction entry
        JOIN credits_grant grant_row ON grant_row.tenant_id = tenant AND grant_row.id = entry.grant_id
        CROSS JOIN LATERAL (VALUES
            (0, 'credits.grant.created', entry.kind = 'opening'),
            (1, 'credits.transaction.posted', entry.kind <> 'opening'),
            (2, 'credits.grant.depleted', entry.balance_after = 0 AND entry.kind NOT IN ('expiry', 'void', 'deletion')),
            (3, 'credits.grant.expired', entry.kind = 'expiry'),
            (4, 'credits.grant.voided', entry.kind = 'void')
        ) AS kind (ordinal, type, has_happened)
        WHERE entry.tenant_id = tenant AND entry.id = ANY (entries) AND kind.has_happened AND events_wanted(patterns, kind.type)
        UNION ALL
        SELECT grant_row.id, grant_row.last_entry_number, grant_row.closed_at, 'credits.grant.voided', 4, grant_row.id::text,
            credits_grant_snapshot(grant_row, grant_row.balance)
        FROM credits_grant grant_row
        WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (voided) AND events_wanted(patterns, 'credits.grant.voided')
    ) event;
    IF items IS NOT NULL THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
