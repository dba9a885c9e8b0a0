-- Writes the events that holds of one wallet were placed, captured, extended, released or expired.
--
-- Takes: the tenant, the request id of the call, the holds' ids, what happened to them, and when (an expired one ended at its own moment).
-- Returns: nothing. Locks: as events_insert; the caller has locked the wallet. Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION billing_write_hold_events(
    tenant uuid, request text, holds uuid[], what text, moment timestamp with time zone
) RETURNS void LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    name CONSTANT text := 'billing.hold.' || what;
    items events_item[];
BEGIN
    IF events_wanted(events_wanted_patterns(tenant, request), name) IS NOT TRUE THEN
        RETURN;
    END IF;
    SELECT array_agg((
        name, 'wallet:' || wallet.currency, wallet.last_entry_number, CASE what WHEN 'expired' THEN hold.expires_at ELSE moment END,
        hold.id::text, billing_hold_snapshot(tenant, hold.id)
    )::events_item ORDER BY hold.expires_at, hold.id) INTO items
    FROM billing_wallethold hold JOIN billing_wallet wallet ON wallet.tenant_id = tenant AND wallet.id = hold.wallet_id
    WHERE hold.tenant_id = tenant AND hold.id = ANY (holds);
    PERFORM events_insert(tenant, items);
END;
$$;
