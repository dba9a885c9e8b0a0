-- Writes a new cost of a locked transaction, and marks the costs that it supersedes.
-- Takes: the tenant, the item with the cost, the transaction's row, the active costs to supersede (the one to name first), and the moment.
-- Returns: the changes to the sums.
-- Locks: the superseded costs; nobody else can hold them, because their transaction is locked.
-- Never: changes a cost but for the mark, and that once.
CREATE OR REPLACE FUNCTION metering_insert_cost(
    tenant uuid, item metering_amendment, owner metering_transaction, superseded metering_cost[], moment timestamptz
)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    cost CONSTANT metering_new_cost := item.cost;
    earlier metering_cost;
    deltas metering_delta[] := '{}';
BEGIN
    INSERT INTO metering_cost (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
        is_active, supersedes_id, inferred_from_id, cost_details, repricing, payment_id, idempotency_key,
        facts_digest
    ) VALUES (
        cost.id, tenant, coalesce(item.occurred_at, moment), moment, item.actor, item.request_id,
        owner.id, cost.amount, cost.currency, cost.is_estimate, true, superseded[1].id,
        coalesce(cost.inferred_from_id, (item.fact).id), cost.details::json, cost.repricing, cost.payment_id, item.idempotency_key,
        decode(item.facts_digest, 'hex')
    );
    deltas := deltas || metering_cost_delta(
        owner.occurred_at, owner.service_id, owner.agent_id, cost.currency, cost.amount, cost.is_estimate, 1
    );
    FOREACH earlier IN ARRAY coalesce(superseded, '{}') LOOP
        UPDATE metering_cost AS stored SET is_active = false, superseded_at = moment, superseded_by_id = cost.id
        WHERE stored.tenant_id = tenant AND stored.id = earlier.id;
        deltas := deltas || metering_cost_delta(
            owner.occurred_at, owner.service_id, owner.agent_id, earlier.fiat_asset_symbol, earlier.fiat_amount, earlier.is_estimate, -1
        );
    END LOOP;
    RETURN deltas;
END
$$;
