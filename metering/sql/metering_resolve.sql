-- Finds for each posting the row that used its key before, in the ledger or earlier in the array, and its service, agent and trace; and
-- decides its first status.
-- Takes: the tenant and the postings.
-- Returns: one resolution for each, in order. What doesn't exist yet stays null and makes the outcome `unnamed`; a posting without a trace
-- has one of its own.
-- Locks nothing. Never writes.
CREATE OR REPLACE FUNCTION metering_resolve(tenant uuid, items metering_posting[])
RETURNS metering_resolution[]
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
    resolved metering_resolution[];
    policy metering_policy;
    present timestamptz;
BEGIN
    SELECT seen.authorizes_at_once, seen.backdating_limit, seen.postdating_limit
    INTO policy.authorizes_at_once, policy.backdating_limit, policy.postdating_limit
    FROM metering_policy seen WHERE seen.tenant_id = tenant;
    -- Read once: with a volatile function as an argument the planner can't write metering_is_out_of_bounds into the query.
    present := clock_timestamp();
    -- The values stand in the order of metering_resolution's attributes, and those of agents in that of metering_found_agent's.
    SELECT array_agg(ROW(
        CASE
            WHEN prior.id IS NOT NULL THEN 'exists'
            WHEN item.agent_id IS NOT NULL AND item.agent_name IS NULL AND (agent.found).id IS NULL THEN 'unknown_agent'
            WHEN item.checks_occurred_at AND metering_is_out_of_bounds(
                item.occurred_at, present, policy.backdating_limit, policy.postdating_limit
            ) THEN 'out_of_bounds'
            WHEN service.id IS NULL OR trace.id IS NULL OR (item.agent_name IS NOT NULL AND (agent.found).id IS NULL) THEN 'unnamed'
            ELSE 'posted'
        END,
        prior.id, prior.facts_digest, service.id, agent.found, trace.id, trace.reference, trace.external_id,
        metering_decide_status(item.status, item.call_outcome, (agent.found).status, policy.authorizes_at_once),
        metering_decline_reason(item.status, (agent.found).status, (agent.found).name)
    )::metering_resolution ORDER BY item.ordinality) INTO resolved
    FROM unnest(items) WITH ORDINALITY item
    -- OFFSET 0 keeps the planner from merging a look-up into a join that reads the whole table: each is one index probe.
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.facts_digest FROM metering_transaction seen
        WHERE seen.tenant_id = tenant AND seen.idempotency_key = item.idempotency_key
        OFFSET 0
    ) prior ON item.idempotency_key IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id FROM metering_service seen
        WHERE seen.tenant_id = tenant AND seen.name = item.service_name
        OFFSET 0
    ) service ON true
    LEFT JOIN LATERAL (
        SELECT seen.id, (
            seen.id, seen.label, seen.name, seen.description, seen.status, seen.created_at, seen.updated_at, seen.customer_id
        )::metering_found_agent AS found
        FROM metering_agent seen
        WHERE seen.tenant_id = tenant AND seen.id = item.agent_id
        OFFSET 0
    ) named ON item.agent_id IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id, (
            seen.id, seen.label, seen.name, seen.description, seen.status, seen.created_at, seen.updated_at, seen.customer_id
        )::metering_found_agent AS found
        FROM metering_agent seen
        WHERE seen.tenant_id = tenant AND seen.name = item.agent_name
        OFFSET 0
    ) called ON item.agent_name IS NOT NULL AND named.id IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(named.found, called.found) AS found) agent
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
        WHERE seen.tenant_id = tenant AND seen.reference = item.trace_reference
        OFFSET 0
    ) referred ON item.trace_reference IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
        WHERE seen.tenant_id = tenant AND seen.external_id = item.trace_external_id
        OFFSET 0
    ) external ON item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id END AS id
    ) own
    CROSS JOIN LATERAL (
        SELECT coalesce(own.id, referred.id, external.id) AS id, coalesce(own.id, referred.reference, external.reference) AS reference,
            coalesce(referred.external_id, external.external_id) AS external_id
    ) trace;
    RETURN metering_resolve_repeated_keys(items, resolved);
END
$$;
