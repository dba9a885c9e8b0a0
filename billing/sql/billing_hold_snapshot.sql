-- Takes: the tenant, a hold's id. Returns: what a reply about the hold is made of (HoldReply), as JSON. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION billing_hold_snapshot(tenant uuid, hold uuid) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', placed.id, 'currency', placed.currency, 'amount', placed.amount, 'captured', placed.captured,
        'held', CASE placed.status WHEN 'active' THEN placed.amount - placed.captured ELSE 0 END, 'reference_id', placed.reference_id,
        'reason', placed.reason, 'allow_overdraft', placed.allow_overdraft, 'status', placed.status, 'expires_at', placed.expires_at,
        'created_at', placed.created_at, 'closed_at', placed.closed_at
    )
    FROM billing_wallethold placed
    WHERE placed.tenant_id = tenant AND placed.id = hold
$$;
