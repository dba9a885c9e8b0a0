-- The supersession decision: which active costs of a transaction a new cost supersedes.
-- Takes: the tenant and the item with the cost, whose transaction is locked.
-- Returns: the costs, the one to name in the new row first; or the outcome that refuses the cost:
--   cost_not_found      the tenant has no such cost
--   cost_of_another     it belongs to another transaction
--   already_superseded  it isn't active any more
--   cost_of_payment     it is what a payment of a 402 holds or took, which that payment alone changes
-- or, for a cost computed from facts, the `pricing` that says why it isn't written:
--   late           a partial or error report after the response
--   already_known  an actual cost is known that the facts don't replace
-- and a `note` for the reply, where it takes the place of an earlier response's cost.
-- A cost named by its caller replaces exactly that one. A cost from facts replaces what earlier facts about the same model call came to,
-- what partial and error reports about no named call came to, and every estimate in its own currency but those of another named call. Facts
-- about no named call concern the whole transaction: their cost replaces the estimates of all calls. An estimate never replaces an actual
-- cost.
-- Locks: nothing: costs change only under their transaction's lock. Never: writes.
-- Not decided here: the costs of a call that is recorded when it is over (_add_cost in metering/services/finished_calls.py, a copy, which
-- tests/metering/test_finished_calls.py holds equal); what a capture replaces (metering_replace_estimates_by_payment); the estimates of a
-- cancelled or denied transaction (metering_void_estimates).
-- To change it: CONTRIBUTING.md, "To change what supersedes an estimate".
CREATE OR REPLACE FUNCTION metering_choose_superseded_costs(tenant uuid, item metering_amendment)
RETURNS metering_supersession
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    cost CONSTANT metering_new_cost := item.cost;
    fact CONSTANT metering_new_fact := item.fact;
    chosen metering_supersession;
    knows_actual boolean;
BEGIN
    IF cardinality(cost.supersedes_ids) > 0 THEN
        SELECT array_agg(earlier ORDER BY array_position(cost.supersedes_ids, earlier.id)) INTO chosen.costs
        FROM metering_cost earlier
        WHERE earlier.tenant_id = tenant AND earlier.id = ANY (cost.supersedes_ids);
        chosen.outcome := CASE
            WHEN coalesce(cardinality(chosen.costs), 0) < cardinality(cost.supersedes_ids) THEN 'cost_not_found'
            WHEN EXISTS (SELECT FROM unnest(chosen.costs) old_cost WHERE old_cost.transaction_id <> item.transaction_id)
                THEN 'cost_of_another'
            WHEN EXISTS (SELECT FROM unnest(chosen.costs) old_cost WHERE NOT old_cost.is_active) THEN 'already_superseded'
            WHEN EXISTS (SELECT FROM unnest(chosen.costs) old_cost WHERE old_cost.payment_id IS NOT NULL) THEN 'cost_of_payment'
        END;
        RETURN chosen;
    END IF;
    IF cost.is_from_report IS NOT TRUE THEN
        RETURN chosen;
    END IF;

    IF fact.phase IN ('partial', 'error') AND EXISTS (
        SELECT FROM metering_fact response
        WHERE response.tenant_id = tenant AND response.transaction_id = item.transaction_id AND response.phase = 'response'
            AND (response.call_id = fact.call_id OR fact.call_id IS NULL)
    ) THEN
        chosen.pricing := 'late';
        RETURN chosen;
    END IF;
    -- Is an actual cost known of what the facts are about: one that a caller stated, or one of the same model call? An estimate also gives
    -- way to one of the whole transaction, and an estimate of the whole transaction to one of any call.
    SELECT bool_or(NOT active.is_estimate AND (
            active.is_stated OR active.is_of_call OR (cost.is_estimate AND (active.is_of_all OR fact.call_id IS NULL))
        )),
        array_agg(active.earlier ORDER BY active.is_stated, (active.earlier).id DESC) FILTER (WHERE
            -- What earlier facts about the same model call came to.
            active.is_of_call
            -- What partial and error reports about no named call came to.
            OR (active.is_of_all AND active.phase IN ('partial', 'error') AND fact.phase = 'response')
            -- Every estimate in its own currency but those of another named call; facts about no named call: those of all calls.
            OR (active.is_estimate AND active.is_same_currency AND (active.is_stated OR active.is_of_all OR fact.call_id IS NULL))
        ),
        CASE WHEN bool_or(active.is_of_call AND active.is_of_all AND active.phase = 'response') THEN
            'without callId the last response counts'
        END
    INTO knows_actual, chosen.costs, chosen.note
    FROM (
        SELECT earlier, earlier.is_estimate, earlier.fiat_asset_symbol = cost.currency AS is_same_currency, report.phase,
            -- A caller stated it: it wasn't computed from facts.
            report.id IS NULL AS is_stated,
            -- Computed from facts about the same model call, or both about none.
            report.id IS NOT NULL AND report.call_id IS NOT DISTINCT FROM fact.call_id AS is_of_call,
            -- Computed from facts about no named call, which concern the whole transaction.
            report.id IS NOT NULL AND report.call_id IS NULL AS is_of_all
        FROM metering_cost earlier
        LEFT JOIN metering_fact report ON report.tenant_id = tenant AND report.id = earlier.inferred_from_id
        WHERE earlier.tenant_id = tenant AND earlier.transaction_id = item.transaction_id AND earlier.is_active
    ) active;
    IF knows_actual AND (cost.is_estimate OR chosen.costs IS NULL) THEN
        chosen.pricing := 'already_known';
        chosen.costs := NULL;
        chosen.note := NULL;
    END IF;
    RETURN chosen;
END
$$;
