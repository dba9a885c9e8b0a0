-- The newest like entry within reach of a moment, before or after it: see billing_post_many, which asks the same for an array.
CREATE OR REPLACE FUNCTION billing_twin(tenant uuid, wallet uuid, kind bigint, entry billing_transaction, reach interval)
RETURNS uuid
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (
        SELECT newest.id
        FROM generate_series(billing_hour(entry.occurred_at - reach), billing_hour(entry.occurred_at + reach)) AS hours(hour)
        CROSS JOIN LATERAL (
            SELECT booked.id, booked.occurred_at FROM billing_transaction booked
            WHERE booked.wallet_id = wallet AND booked.tenant_id IS NOT DISTINCT FROM tenant
                AND booked.likeness = billing_likeness(hours.hour, kind) AND booked.occurred_at <= entry.occurred_at + reach
                AND booked.type = entry.type AND booked.amount = entry.amount
                AND booked.agent_id IS NOT DISTINCT FROM entry.agent_id AND booked.reverses_id IS NULL
            ORDER BY booked.occurred_at DESC
            LIMIT 1
        ) AS newest
        WHERE newest.occurred_at >= entry.occurred_at - reach
        ORDER BY newest.occurred_at DESC
        LIMIT 1
    );
END
$$;
