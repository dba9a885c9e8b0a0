-- Finds for each posting the row that used its key before, in the ledger or earlier in the array, and its service, agent and trace; and
-- decides its first status.
-- Takes: the tenant and the postings.
-- Returns: one resolution for each, in order. What doesn't exist yet stays null and makes the outcome `unnamed`; a posting without a trace
-- has one of its own.
-- Locks: nothing. Never: writes.
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
    SELECT policy_row.authorizes_at_once, policy_row.backdating_limit, policy_row.postdating_limit
    INTO policy.authorizes_at_once, policy.backdating_limit, policy.postdating_limit
    FROM metering_policy policy_row WHERE policy_row.tenant_id = tenant;
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
        SELECT transaction_row.id, transaction_row.facts_digest FROM metering_transaction transaction_row
        WHERE transaction_row.tenant_id = tenant AND transaction_row.idempotency_key = item.idempotency_key
        OFFSET 0
    ) prior ON item.idempotency_key IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT service_row.id FROM metering_service service_row
        WHERE service_row.tenant_id = tenant AND service_row.name = item.service_name
        OFFSET 0
    ) service ON true
    LEFT JOIN LATERAL (
        SELECT agent_row.id, (
            agent_row.id, agent_row.label, agent_row.name, agent_row.description, agent_row.status,
            agent_row.created_at, agent_row.updated_at, agent_row.customer_id
        )::metering_found_agent AS found
        FROM metering_agent agent_row
        WHERE agent_row.tenant_id = tenant AND agent_row.id = item.agent_id
        OFFSET 0
    ) agent_by_id ON item.agent_id IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT agent_row.id, (
            agent_row.id, agent_row.label, agent_row.name, agent_row.description, agent_row.status,
            agent_row.created_at, agent_row.updated_at, agent_row.customer_id
        )::metering_found_agent AS found
        FROM metering_agent agent_row
        WHERE agent_row.tenant_id = tenant AND agent_row.name = item.agent_name
        OFFSET 0
    ) agent_by_name ON item.agent_name IS NOT NULL AND agent_by_id.id IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(agent_by_id.found, agent_by_name.found) AS found) agent
    LEFT JOIN LATERAL (
        SELECT trace_row.id, trace_row.reference, trace_row.external_id FROM metering_trace trace_row
        WHERE trace_row.tenant_id = tenant AND trace_row.reference = item.trace_reference
        OFFSET 0
    ) trace_by_reference ON item.trace_reference IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT trace_row.id, trace_row.reference, trace_row.external_id FROM metering_trace trace_row
        WHERE trace_row.tenant_id = tenant AND trace_row.external_id = item.trace_external_id
        OFFSET 0
    ) trace_by_external_id ON item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id END AS id
    ) own_trace
    CROSS JOIN LATERAL (
        SELECT coalesce(own_trace.id, trace_by_reference.id, trace_by_external_id.id) AS id,
            coalesce(own_trace.id, trace_by_reference.reference, trace_by_external_id.reference) AS reference,
            coalesce(trace_by_reference.external_id, trace_by_external_id.external_id) AS external_id
    ) trace;
    RETURN metering_resolve_repeated_keys(items, resolved);
END
$$;
