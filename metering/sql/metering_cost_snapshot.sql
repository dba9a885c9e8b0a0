-- Takes: a cost. Returns: what a reply about it is made of (CostReply), as JSON. Its details are a string, so that they stay as they were
-- sent.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION metering_cost_snapshot(cost metering_cost)
RETURNS json
LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', cost.id, 'transaction_id', cost.transaction_id, 'tenant_id', cost.tenant_id, 'fiat_amount', cost.fiat_amount,
        'fiat_asset_symbol', cost.fiat_asset_symbol, 'is_estimate', cost.is_estimate, 'is_active', cost.is_active,
        'payment_id', cost.payment_id, 'supersedes_id', cost.supersedes_id, 'superseded_at', cost.superseded_at,
        'inferred_from_id', cost.inferred_from_id,
        'cost_details', cost.cost_details::text, 'occurred_at', cost.occurred_at, 'created_at', cost.created_at,
        'updated_at', coalesce(cost.superseded_at, cost.created_at)
    )
$$;
