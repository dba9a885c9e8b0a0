-- Recomputes a tenant's hourly and daily sums from its transactions and active costs.
-- Takes: the tenant. Returns: nothing.
-- Locks: the table of sums, against every writer, until the end of the database transaction: what others post meanwhile is either in the
-- rows that are counted here or is added afterwards.
-- Never: touches another tenant's sums.
CREATE OR REPLACE FUNCTION metering_rebuild_rollups(tenant uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    LOCK TABLE metering_rollup IN EXCLUSIVE MODE;
    DELETE FROM metering_rollup stored WHERE stored.tenant_id = tenant;
    INSERT INTO metering_rollup (
        id, tenant_id, grain, starts_at, service_id, agent_id, currency, shard,
        transactions, succeeded, failed, denied, cancelled, costs, amount, estimated
    )
    SELECT gen_random_uuid(), tenant, sums.grain, sums.starts_at, sums.service_id, sums.agent_id, sums.currency, 0,
        sums.transactions, sums.succeeded, sums.failed, sums.denied, sums.cancelled, sums.costs, sums.amount, sums.estimated
    FROM metering_count_rollups(tenant) sums;
END
$$;
