-- Writes what belongs to one new transaction: the first step of its status, what was reported of it, its costs, and the costs that
-- were sent but don't become rows. metering_post_array writes the same for many.
-- Takes: the tenant, the posting, what is known of its transaction, which must have been inserted, the costs to write, and when it
-- happened.
-- Returns: true. Locks: nothing.
-- Never: decides which costs are superseded (metering.services.finished_calls does). What was reported of a denied call is kept and is no
-- cost.
CREATE OR REPLACE FUNCTION metering_insert_parts(
    tenant uuid, item metering_posting, posted metering_outcome, costs metering_new_cost[], occurred_at timestamptz
)
RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    fact CONSTANT metering_new_fact := item.fact;
    is_denied CONSTANT boolean := posted.status = 'denied';
BEGIN
    INSERT INTO metering_statuschange (id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, to_status, reason)
    VALUES (
        item.change_id, tenant, posted.status_occurred_at, posted.created_at, item.actor, item.request_id, posted.id, posted.status,
        coalesce(posted.decline_reason, '')
    );
    IF fact.id IS NOT NULL THEN
        INSERT INTO metering_fact (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, integration, call_id,
            pricing, pricing_note, pricing_fields, facts_digest
        ) VALUES (
            fact.id, tenant, occurred_at, posted.created_at, item.actor, item.request_id, item.id, fact.source, fact.version, fact.phase,
            fact.facts::json, fact.integration::json, fact.call_id, CASE WHEN is_denied THEN 'not_asked' ELSE fact.pricing END,
            CASE WHEN is_denied THEN '' ELSE fact.pricing_note END, CASE WHEN NOT is_denied THEN fact.pricing_fields::json END,
            decode(fact.facts_digest, 'hex')
        );
    END IF;
    INSERT INTO metering_cost (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate, is_active,
        superseded_at, superseded_by_id, supersedes_id, inferred_from_id, cost_details, facts_digest
    )
    SELECT cost.id, tenant, occurred_at, posted.created_at, item.actor, item.request_id, item.id, cost.amount, cost.currency,
        cost.is_estimate, cost.superseded_by_id IS NULL, CASE WHEN cost.superseded_by_id IS NOT NULL THEN posted.created_at END,
        cost.superseded_by_id, cost.supersedes_ids[1], cost.inferred_from_id, cost.details::json,
        CASE WHEN cost.inferred_from_id IS NOT NULL THEN decode(fact.facts_digest, 'hex') END
    FROM unnest(costs) cost;
    IF posted.status IN ('denied', 'cancelled') THEN
        PERFORM metering_insert_unwritten_costs(tenant, item, posted.status, occurred_at, posted.created_at);
    END IF;
    RETURN true;
END
$$;
