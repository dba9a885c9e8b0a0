-- Reads postings that are sent as one array for each attribute.
-- Takes: a JSON object, as metering_posting_columns. An attribute that has one value in all postings may be sent once instead, in the
-- member `shared`: a metering_posting with a fact and a cost. Which attributes: those that are read with coalesce below
-- (metering/services/posting_columns.py).
-- Returns: the postings, in their order. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION metering_read_columns(postings jsonb)
RETURNS metering_posting[]
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    sent CONSTANT metering_posting_columns := jsonb_populate_record(NULL::metering_posting_columns, postings);
    shared CONSTANT metering_posting := jsonb_populate_record(NULL::metering_posting, postings -> 'shared');
    shared_fact CONSTANT metering_new_fact := shared.fact;
    shared_cost CONSTANT metering_new_cost := shared.costs[1];
    -- By their postings: each has at least one row in the arrays of costs.
    costs metering_costs_of_posting[];
BEGIN
    SELECT array_agg(ROW(of_one.costs)::metering_costs_of_posting ORDER BY of_one.posting) INTO costs
    FROM (
        -- In the order of metering_new_cost's attributes.
        SELECT cost.posting, array_agg(ROW(
            cost.id, cost.amount, coalesce(cost.currency, shared_cost.currency), coalesce(cost.is_estimate, shared_cost.is_estimate),
            cost.details, cost.supersedes_ids::uuid[], NULL, cost.inferred_from_id, NULL, cost.superseded_by_id, NULL
        )::metering_new_cost ORDER BY cost.ordinality) FILTER (WHERE cost.id IS NOT NULL) AS costs
        FROM unnest(
            sent.cost_posting, sent.cost_id, sent.cost_amount, sent.cost_currency, sent.cost_is_estimate, sent.cost_details,
            sent.cost_supersedes_ids, sent.cost_inferred_from_id, sent.cost_superseded_by_id
        ) WITH ORDINALITY AS cost (
            posting, id, amount, currency, is_estimate, details, supersedes_ids, inferred_from_id, superseded_by_id, ordinality
        )
        GROUP BY cost.posting
    ) of_one;

    -- In the order of metering_posting's attributes, and those of the fact in that of metering_new_fact's.
    RETURN ARRAY(
        SELECT ROW(
            item.id, coalesce(item.actor, shared.actor), coalesce(item.request_id, shared.request_id),
            coalesce(item.occurred_at, shared.occurred_at), coalesce(item.checks_occurred_at, shared.checks_occurred_at), NULL,
            item.completed_at, item.idempotency_key, item.facts_digest, coalesce(item.service_name, shared.service_name),
            coalesce(item.agent_id, shared.agent_id), coalesce(item.agent_name, shared.agent_name), item.trace_reference,
            item.trace_external_id, item.new_trace_id, coalesce(item.action_name, shared.action_name),
            coalesce(item.resource_name, shared.resource_name), coalesce(item.status, shared.status),
            coalesce(item.call_outcome, shared.call_outcome), coalesce(item.qualifiers, shared.qualifiers),
            coalesce(item.metadata, shared.metadata), item.request_facts, item.payment_data,
            coalesce(item.customer_id, shared.customer_id), item.change_id, coalesce(item.costs, '{}'),
            CASE WHEN item.fact_id IS NOT NULL THEN ROW(
                item.fact_id, coalesce(item.fact_source, shared_fact.source), coalesce(item.fact_version, shared_fact.version),
                coalesce(item.fact_phase, shared_fact.phase), item.fact_facts, coalesce(item.fact_integration, shared_fact.integration),
                coalesce(item.fact_pricing, shared_fact.pricing), coalesce(item.fact_pricing_note, shared_fact.pricing_note),
                coalesce(item.fact_pricing_fields, shared_fact.pricing_fields), item.fact_call_id, item.fact_facts_digest
            )::metering_new_fact END,
            item.ending_digest
        )::metering_posting
        FROM unnest(
            sent.id, sent.actor, sent.request_id, sent.occurred_at, sent.checks_occurred_at, sent.completed_at, sent.idempotency_key,
            sent.facts_digest, sent.service_name, sent.agent_id, sent.agent_name, sent.trace_reference, sent.trace_external_id,
            sent.new_trace_id, sent.action_name, sent.resource_name, sent.status, sent.call_outcome, sent.qualifiers, sent.metadata,
            sent.request_facts, sent.payment_data, sent.customer_id, sent.change_id, sent.ending_digest, sent.fact_id, sent.fact_source,
            sent.fact_version, sent.fact_phase, sent.fact_facts, sent.fact_integration, sent.fact_pricing, sent.fact_pricing_note,
            sent.fact_pricing_fields, sent.fact_call_id, sent.fact_facts_digest, costs
        ) AS item (
            id, actor, request_id, occurred_at, checks_occurred_at, completed_at, idempotency_key, facts_digest, service_name, agent_id,
            agent_name, trace_reference, trace_external_id, new_trace_id, action_name, resource_name, status, call_outcome, qualifiers,
            metadata, request_facts, payment_data, customer_id, change_id, ending_digest, fact_id, fact_source, fact_version, fact_phase,
            fact_facts, fact_integration, fact_pricing, fact_pricing_note, fact_pricing_fields, fact_call_id, fact_facts_digest, costs
        )
    );
END
$$;
