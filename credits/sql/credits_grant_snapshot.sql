-- Takes: a grant, and its balance after an entry. Returns: what a reply about it is made of (GrantReply), as JSON.
-- Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION credits_grant_snapshot(grant_row credits_grant, balance numeric) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', grant_row.id, 'tenant_id', grant_row.tenant_id, 'customer_id', grant_row.customer_id, 'name', grant_row.name,
        'unit_type', grant_row.unit_type, 'currency', grant_row.currency, 'metric_id', grant_row.metric_id,
        'original_amount', grant_row.original_amount, 'cost_of_credit', grant_row.cost_of_credit,
        'effective_date', grant_row.effective_date, 'expiry_date', grant_row.expiry_date, 'created_at', grant_row.created_at,
        'category', grant_row.category, 'priority', grant_row.priority, 'balance', balance, 'held', grant_row.held,
        'status', grant_row.status
    )
$$;
