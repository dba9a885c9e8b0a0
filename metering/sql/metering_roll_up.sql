-- Adds changes to the rollups, as before; in PL/pgSQL, because that keeps the plan of a statement and a function in SQL makes it anew for
-- each call. One change alone has nothing to be grouped with.
CREATE OR REPLACE FUNCTION metering_roll_up(deltas metering_delta[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    alone CONSTANT metering_delta := deltas[1];
BEGIN
    IF cardinality(deltas) = 1 THEN
        INSERT INTO metering_rollup AS kept (
            id, tenant_id, grain, starts_at, service_id, agent_id, currency, lane,
            transactions, succeeded, failed, denied, cancelled, costs, amount, estimated
        )
        SELECT gen_random_uuid(), alone.tenant_id, grain.name, date_trunc(grain.name, alone.occurred_at, 'UTC'),
            alone.service_id, alone.agent_id, alone.currency, pg_backend_pid() % 8,
            alone.transactions, alone.succeeded, alone.failed, alone.denied, alone.cancelled, alone.costs, alone.amount, alone.estimated
        FROM (VALUES ('day'), ('hour')) AS grain (name)
        ON CONFLICT (tenant_id, grain, starts_at, service_id, agent_id, currency, lane) DO UPDATE SET
            transactions = kept.transactions + excluded.transactions,
            succeeded = kept.succeeded + excluded.succeeded,
            failed = kept.failed + excluded.failed,
            denied = kept.denied + excluded.denied,
            cancelled = kept.cancelled + excluded.cancelled,
            costs = kept.costs + excluded.costs,
            amount = kept.amount + excluded.amount,
            estimated = kept.estimated + excluded.estimated;
        RETURN;
    END IF;
    INSERT INTO metering_rollup AS kept (
        id, tenant_id, grain, starts_at, service_id, agent_id, currency, lane,
        transactions, succeeded, failed, denied, cancelled, costs, amount, estimated
    )
    SELECT gen_random_uuid(), delta.tenant_id, grain.name, date_trunc(grain.name, delta.occurred_at, 'UTC') AS starts_at,
        delta.service_id, delta.agent_id, delta.currency, pg_backend_pid() % 8,
        sum(delta.transactions), sum(delta.succeeded), sum(delta.failed), sum(delta.denied), sum(delta.cancelled),
        sum(delta.costs), sum(delta.amount), sum(delta.estimated)
    FROM unnest(deltas) AS delta CROSS JOIN (VALUES ('day'), ('hour')) AS grain (name)
    GROUP BY delta.tenant_id, grain.name, starts_at, delta.service_id, delta.agent_id, delta.currency
    ORDER BY delta.tenant_id, grain.name, starts_at, delta.service_id, delta.agent_id, delta.currency
    ON CONFLICT (tenant_id, grain, starts_at, service_id, agent_id, currency, lane) DO UPDATE SET
        transactions = kept.transactions + excluded.transactions,
        succeeded = kept.succeeded + excluded.succeeded,
        failed = kept.failed + excluded.failed,
        denied = kept.denied + excluded.denied,
        cancelled = kept.cancelled + excluded.cancelled,
        costs = kept.costs + excluded.costs,
        amount = kept.amount + excluded.amount,
        estimated = kept.estimated + excluded.estimated;
END
$$;
