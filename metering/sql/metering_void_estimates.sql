-- Supersedes the active estimates of a transaction that is cancelled or denied by costs of zero, one for each currency: what was only
-- expected isn't spent any more. Actual costs stay.
-- Takes: the tenant, the item with the move, the transaction's row, and the moment. Returns: the changes to the sums.
-- Locks: the estimates; nobody else can hold them, because their transaction is locked.
-- Never: touches an actual cost. The zero rows carry no idempotency key: a key is on one cost at most.
CREATE OR REPLACE FUNCTION metering_void_estimates(
    tenant uuid, item metering_amendment, owner metering_transaction, moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    zero metering_new_cost;
    voids metering_amendment := item;
    estimates record;
    deltas metering_delta[] := '{}';
BEGIN
    voids.idempotency_key := NULL;
    voids.fact := NULL;
    FOR estimates IN
        SELECT earlier.fiat_asset_symbol AS currency, array_agg(earlier ORDER BY earlier.id DESC) AS costs
        FROM metering_cost earlier
        WHERE earlier.tenant_id = tenant AND earlier.transaction_id = owner.id AND earlier.is_active AND earlier.is_estimate
        GROUP BY earlier.fiat_asset_symbol
        ORDER BY earlier.fiat_asset_symbol
    LOOP
        zero.id := ledger_new_id();
        zero.amount := 0;
        zero.currency := estimates.currency;
        zero.is_estimate := false;
        zero.details := CASE (item.move).to_status WHEN 'denied' THEN '{"source": "denial"}' ELSE '{"source": "cancellation"}' END;
        voids.cost := zero;
        deltas := deltas || metering_insert_cost(tenant, voids, owner, estimates.costs, moment);
    END LOOP;
    RETURN deltas;
END
$$;
