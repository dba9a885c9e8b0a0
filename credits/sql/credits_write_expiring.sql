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
        SELECT account.id FROM credits_grant account
        WHERE account.tenant_id = tenant AND account.id IN (
            SELECT near.id FROM credits_grant near
            WHERE near.tenant_id = tenant AND near.status = 'open' AND near.balance > 0 AND near.expiry_date BETWEEN today AND today + days
                AND NOT EXISTS (
                    SELECT FROM events_event written
                    WHERE written.tenant_id = tenant AND written.object_id = near.id::text AND written.type = 'credits.grant.expiring'
                )
            ORDER BY near.expiry_date, near.id LIMIT at_most
        )
        ORDER BY account.id
        FOR NO KEY UPDATE
    );
    moment := ledger_now();
    SELECT array_agg((
        'credits.grant.expiring', 'grant:' || account.id, account.last_entry_number, moment, account.id::text,
        credits_grant_snapshot(account, account.balance)
    )::events_item ORDER BY account.expiry_date, account.id) INTO items
    FROM credits_grant account
    WHERE account.tenant_id = tenant AND account.id = ANY (due) AND account.status = 'open' AND account.balance > 0 AND NOT EXISTS (
        SELECT FROM events_event written
        WHERE written.tenant_id = tenant AND written.object_id = account.id::text AND written.type = 'credits.grant.expiring'
    );
    IF items IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM events_insert(tenant, items);
    RETURN cardinality(items);
END
$$;
