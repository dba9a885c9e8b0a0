-- The hourly and daily sums, counted from a tenant's rows: the counts of transactions under the empty currency, and the costs under theirs.
-- Rebuilding writes these; the integrity check compares them with the sums that posting has stored.
-- Takes: the tenant. Returns: one row for each sum that isn't zero throughout. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_count_rollups(tenant uuid)
RETURNS TABLE (
    grain text, starts_at timestamptz, service_id uuid, agent_id uuid, currency text, transactions bigint, succeeded bigint, failed bigint,
    denied bigint, cancelled bigint, costs bigint, amount numeric, estimated numeric
)
LANGUAGE sql STABLE
AS $$
    SELECT grain.name, date_trunc(grain.name, owner.occurred_at, 'UTC'), owner.service_id, owner.agent_id, '',
        count(*), count(*) FILTER (WHERE owner.outcome = 'success'), count(*) FILTER (WHERE owner.outcome = 'error'),
        count(*) FILTER (WHERE owner.status = 'denied'), count(*) FILTER (WHERE owner.status = 'cancelled'), 0::bigint, 0::numeric,
        0::numeric
    FROM metering_transaction owner CROSS JOIN (VALUES ('day'), ('hour')) AS grain (name)
    WHERE owner.tenant_id = tenant
    GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT grain.name, date_trunc(grain.name, owner.occurred_at, 'UTC'), owner.service_id, owner.agent_id, cost.fiat_asset_symbol,
        0, 0, 0, 0, 0, count(*), sum(cost.fiat_amount), coalesce(sum(cost.fiat_amount) FILTER (WHERE cost.is_estimate), 0)
    FROM metering_cost cost
    JOIN metering_transaction owner ON owner.tenant_id = tenant AND owner.id = cost.transaction_id
    CROSS JOIN (VALUES ('day'), ('hour')) AS grain (name)
    WHERE cost.tenant_id = tenant AND cost.is_active
    GROUP BY 1, 2, 3, 4, 5
$$;
