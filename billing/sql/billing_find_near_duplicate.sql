-- The entry that another one may repeat: of those with the same wallet, type, amount and agent, the newest within a time of it.
--
-- Takes: tenant and wallet, the facts of the entry, when it happened, and how far before and after that moment to look.
-- Returns: one row with the id and the time of the earlier entry, or none. Reversals repeat nothing.
-- Locks: nothing.
-- Never: sees what the calling statement itself writes.
--
-- Written as one SELECT in SQL so that PostgreSQL inlines it where it is called (on Citus it becomes PL/pgSQL). The comparison of (bucket,
-- time) as a row and the order by both leave the planner no index but billing_transaction_like: one on (tenant, occurred_at) would read
-- everything that the tenant posted in that time, for every posting. Sorting is switched off by the callers, or it would be the way around.
CREATE OR REPLACE FUNCTION billing_find_near_duplicate(
    tenant uuid, in_wallet uuid, of_type text, of_amount numeric, of_agent_id text, at timestamp with time zone, reach interval
) RETURNS TABLE (id uuid, occurred_at timestamp with time zone) LANGUAGE sql STABLE ROWS 1
AS $$
    SELECT newest.id, newest.occurred_at
    FROM generate_series(billing_hour(at - reach), billing_hour(at + reach)) AS hours(hour)
    CROSS JOIN LATERAL (
        SELECT booked.id, booked.occurred_at
        FROM billing_transaction booked
        WHERE booked.wallet_id = in_wallet AND booked.tenant_id = tenant
            AND (booked.duplicate_bucket, booked.occurred_at)
                >= (billing_duplicate_bucket(hours.hour, of_type, of_amount, of_agent_id), at - reach)
            AND (booked.duplicate_bucket, booked.occurred_at)
                <= (billing_duplicate_bucket(hours.hour, of_type, of_amount, of_agent_id), at + reach)
            AND booked.type = of_type AND booked.amount = of_amount AND booked.agent_id IS NOT DISTINCT FROM of_agent_id
            AND booked.reverses_id IS NULL
        ORDER BY booked.duplicate_bucket DESC, booked.occurred_at DESC
        LIMIT 1
    ) AS newest
    WHERE reach > interval '0'
    ORDER BY newest.occurred_at DESC
    LIMIT 1
$$;
