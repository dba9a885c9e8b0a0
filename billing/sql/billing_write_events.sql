-- Writes the events of posted entries: that each was recorded, that one reverses another, and that its wallet's balance crossed
-- alert_below.
--
-- Takes: the tenant, the request id of the postings, and the ids of their entries. Returns: nothing.
-- Locks: as events_insert; the caller has locked the wallets. Never: writes where nobody listens.
--
-- Callers ask first whether the tenant has a listener at all, so that a tenant without one pays one look into an index.
CREATE OR REPLACE FUNCTION billing_write_events(tenant uuid, request text, entries uuid[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    items events_item[];
BEGIN
    IF patterns IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg((
            event.type, 'wallet:' || entry.currency, entry.entry_number, entry.occurred_at, event.object_id,
            CASE event.ordinal WHEN 0 THEN billing_entry_snapshot(entry) WHEN 1 THEN billing_entry_snapshot(entry)
                ELSE billing_wallet_snapshot(wallet, entry.balance_after, entry.entry_number, entry.created_at) END
        )::events_item ORDER BY entry.wallet_id, entry.entry_number, event.ordinal)
    INTO items
    FROM billing_transaction entry
    JOIN billing_wallet wallet ON wallet.id = entry.wallet_id AND wallet.tenant_id = tenant
    CROSS JOIN LATERAL (VALUES
        (0, 'billing.transaction.recorded', true, entry.id::text),
        (1, 'billing.transaction.reversed', entry.reverses_id IS NOT NULL, entry.id::text),
        (2, 'billing.wallet.balance_low',
            entry.balance_after < wallet.alert_below AND entry.balance_after - entry.effect >= wallet.alert_below, entry.currency),
        (3, 'billing.wallet.balance_recovered',
            entry.balance_after >= wallet.alert_below AND entry.balance_after - entry.effect < wallet.alert_below, entry.currency)
    ) AS event (ordinal, type, has_happened, object_id)
    WHERE entry.id = ANY (entries) AND entry.tenant_id = tenant AND event.has_happened AND events_wanted(patterns, event.type);
    IF items IS NOT NULL THEN
        PERFORM events_insert(tenant, items);
    END IF;
END;
$$;
