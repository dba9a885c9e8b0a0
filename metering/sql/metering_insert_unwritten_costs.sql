-- Keeps the costs that were sent with a denied or cancelled transaction and became no cost rows, as a fact of phase `request`, so that
-- they stay readable without being counted.
-- Takes: the tenant, the posting, the status it begins with, and the two times of its transaction, which must have been inserted.
-- Returns: nothing. Locks: nothing. Never: writes where every cost became a row. The fact's id is that of the transaction's first step, so
-- that an exported ledger comes back with the same ids.
CREATE OR REPLACE FUNCTION metering_insert_unwritten_costs(
    tenant uuid, item metering_posting, begins_as text, occurred_at timestamptz, created_at timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    sent CONSTANT metering_new_cost[] := metering_sent_costs(item.costs);
BEGIN
    IF cardinality(metering_costs_to_insert(begins_as, sent)) = cardinality(sent) THEN
        RETURN;
    END IF;
    INSERT INTO metering_fact (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, pricing, pricing_note
    )
    SELECT
        item.change_id, tenant, occurred_at, created_at, item.actor, item.request_id, item.id, 'countinghouse', '1', 'request',
        json_build_object('costs', json_agg(json_build_object(
            'fiatAmount', cost.amount::text, 'fiatAssetSymbol', cost.currency, 'isEstimate', cost.is_estimate,
            'costDetails', cost.details::json
        ) ORDER BY cost.ordinality)),
        'not_asked', ''
    FROM unnest(sent) WITH ORDINALITY cost;
END
$$;
