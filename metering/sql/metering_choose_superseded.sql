-- The supersession decision: which active costs of a transaction a new cost supersedes.
-- Takes: the tenant and the item with the cost, whose transaction is locked.
-- Returns: the costs, the one to name in the new row first; or the outcome that refuses the cost:
--   cost_not_found      the tenant has no such cost
--   cost_of_another     it belongs to another transaction
--   already_superseded  it isn't active any more
-- or, for a cost computed from facts, the `pricing` that says why it isn't written:
--   late           a partial or error report after the response
--   already_known  an actual cost is known that the facts don't replace
-- A cost named by its caller replaces exactly that one. A cost from facts replaces the costs computed from earlier facts, and every
-- estimate in its own currency; an estimate never replaces an actual cost.
-- Locks nothing: costs change only under their transaction's lock. Never writes.
CREATE OR REPLACE FUNCTION metering_choose_superseded(tenant uuid, item metering_amendment)
RETURNS metering_supersession
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    cost CONSTANT metering_new_cost := item.cost;
    chosen metering_supersession;
    knows_actual boolean;
BEGIN
    IF cardinality(cost.supersedes_ids) > 0 THEN
        SELECT array_agg(earlier ORDER BY array_position(cost.supersedes_ids, earlier.id)) INTO chosen.costs
        FROM metering_cost earlier
        WHERE earlier.tenant_id = tenant AND earlier.id = ANY (cost.supersedes_ids);
        chosen.outcome := CASE
            WHEN coalesce(cardinality(chosen.costs), 0) < cardinality(cost.supersedes_ids) THEN 'cost_not_found'
            WHEN EXISTS (SELECT FROM unnest(chosen.costs) one WHERE one.transaction_id <> item.transaction_id) THEN 'cost_of_another'
            WHEN EXISTS (SELECT FROM unnest(chosen.costs) one WHERE NOT one.is_active) THEN 'already_superseded'
        END;
        RETURN chosen;
    END IF;
    IF cost.replaces_inferred IS NOT TRUE THEN
        RETURN chosen;
    END IF;

    IF (item.fact).phase IN ('partial', 'error') AND EXISTS (
        SELECT FROM metering_fact fact
        WHERE fact.tenant_id = tenant AND fact.transaction_id = item.transaction_id AND fact.phase = 'response'
    ) THEN
        chosen.pricing := 'late';
        RETURN chosen;
    END IF;
    SELECT coalesce(bool_or(NOT earlier.is_estimate), false),
        array_agg(earlier ORDER BY earlier.inferred_from_id IS NULL, earlier.id DESC)
            FILTER (WHERE earlier.inferred_from_id IS NOT NULL OR (earlier.is_estimate AND earlier.fiat_asset_symbol = cost.currency))
    INTO knows_actual, chosen.costs
    FROM metering_cost earlier
    WHERE earlier.tenant_id = tenant AND earlier.transaction_id = item.transaction_id AND earlier.is_active;
    IF knows_actual AND (cost.is_estimate OR chosen.costs IS NULL) THEN
        chosen.pricing := 'already_known';
        chosen.costs := NULL;
    END IF;
    RETURN chosen;
END
$$;
