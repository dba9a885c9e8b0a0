-- Writes the event that a debit was refused by a wallet's floor, at most once a minute for each wallet.
--
-- Takes: the tenant, the request id of the postings, and the decisions on them. Returns: nothing.
-- Locks: as events_insert; the caller has locked the wallets. Never: writes where nobody listens, or for a wallet without an entry.
CREATE OR REPLACE FUNCTION billing_write_refusals(tenant uuid, request text, decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    refused uuid[];
    moment timestamptz;
    items events_item[];
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(decisions) AS line WHERE line.outcome = 'insufficient')
        OR events_wanted(events_wanted_patterns(tenant, request), 'billing.transaction.refused') IS NOT TRUE THEN
        RETURN;
    END IF;
    moment := clock_timestamp();
    refused := ARRAY(SELECT DISTINCT line.wallet_id FROM unnest(decisions) AS line WHERE line.outcome = 'insufficient');
    WITH reported AS (
        UPDATE billing_wallet wallet SET refusal_reported_at = moment
        WHERE wallet.tenant_id = tenant AND wallet.id = ANY (refused) AND wallet.last_entry_number > 0
            AND coalesce(wallet.refusal_reported_at, '-infinity') <= moment - interval '1 minute'
        RETURNING wallet.*
    )
    SELECT array_agg((
        'billing.transaction.refused', 'wallet:' || reported.currency, reported.last_entry_number, moment, reported.currency,
        billing_wallet_snapshot(reported.*::billing_wallet, reported.balance, reported.last_entry_number, reported.last_entry_at)
    )::events_item ORDER BY reported.currency) INTO items
    FROM reported;
    IF items IS NOT NULL THEN
        PERFORM events_insert(tenant, items);
    END IF;
END;
$$;
