-- Writes, once for each grant, the event that a grant with a balance expires soon.
-- Takes: a tenant, within how many days, how many grants at most. Returns: how many events were written.
-- Locks: the grants, by id. Under these locks it looks for the event again, so two calls at once write it once.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION credits_write_expiring(tenant uuid, days integer, at_most integer) RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
    today date;
    moment timestamptz;
    due uuid[];
    items events_item[];
BEGIN
    IF events_wanted(events_wanted_patterns(tenant, ''), 'credits.grant.expiring') IS NOT TRUE THEN
        RETURN 0;
    END IF;
    today := ledger_day(ledger_now());
    due := ARRAY(
        SELECT grant_row.id FROM credits_grant grant_row
        WHERE grant_row.tenant_id = tenant AND grant_row.id IN (
            SELECT near.id FROM credits_grant near
            WHERE near.tenant_id = tenant AND near.status = 'open' AND near.balance > 0 AND near.expiry_date BETWEEN today AND today + days
                AND NOT EXISTS (
                    SELECT FROM events_event written
                    WHERE written.tenant_id = tenant AND written.object_id = near.id::text AND written.type = 'credits.grant.expiring'
                )
            ORDER BY near.expiry_date, near.id LIMIT at_most
        )
        ORDER BY grant_row.id
        FOR NO KEY UPDATE
    );
    moment := ledger_now();
    SELECT array_agg((
        'credits.grant.expiring', 'grant:' || grant_row.id, grant_row.last_entry_number, moment, grant_row.id::text,
        credits_grant_snapshot(grant_row, grant_row.balance)
    )::events_item ORDER BY grant_row.expiry_date, grant_row.id) INTO items
    FROM credits_grant grant_row
    WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (due) AND grant_row.status = 'open' AND grant_row.balance > 0 AND NOT EXISTS (
        SELECT FROM events_event written
        WHERE written.tenant_id = tenant AND written.object_id = grant_row.id::text AND written.type = 'credits.grant.expiring'
    );
    IF items IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM events_insert(tenant, items);
    RETURN cardinality(items);
END
$$;
