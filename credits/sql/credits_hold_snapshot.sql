-- Takes: a tenant, a hold's id. Returns: what a reply about the hold is made of (HoldReply), with its lines, as JSON. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_hold_snapshot(tenant uuid, hold uuid) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', placed.id, 'customer_id', placed.customer_id, 'currency', placed.currency, 'metric_id', placed.metric_id,
        'amount', placed.amount, 'captured', placed.captured, 'held', sum(line.remaining), 'reason', placed.reason,
        'status', placed.status, 'expires_at', placed.expires_at, 'created_at', placed.created_at, 'closed_at', placed.closed_at,
        'lines', json_agg(json_build_object(
            'grant_id', line.grant_id, 'amount', line.amount, 'remaining', line.remaining, 'chosen_by', line.chosen_by
        ) ORDER BY (line.chosen_by ->> 'rank')::integer)
    )
    FROM credits_hold placed JOIN credits_holdline line ON line.tenant_id = tenant AND line.hold_id = placed.id
    WHERE placed.tenant_id = tenant AND placed.id = hold
    GROUP BY placed.tenant_id, placed.id
$$;
