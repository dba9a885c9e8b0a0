-- Takes: a grant, and its balance after an entry. Returns: what a reply about it is made of (GrantReply), as JSON.
-- Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION credits_grant_snapshot(account credits_grant, balance numeric) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', account.id, 'tenant_id', account.tenant_id, 'customer_id', account.customer_id, 'name', account.name,
        'unit_type', account.unit_type, 'currency', account.currency, 'metric_id', account.metric_id,
        'original_amount', account.original_amount, 'cost_of_credit', account.cost_of_credit, 'effective_date', account.effective_date,
        'expiry_date', account.expiry_date, 'created_at', account.created_at, 'category', account.category, 'priority', account.priority,
        'balance', balance, 'held', account.held, 'status', account.status
    )
$$;
