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
DECLARE
    resolved metering_resolution[] := '{}';
    one metering_resolution;
    found record;
BEGIN
    FOR found IN
        SELECT item.status AS stated_status, item.agent_id AS stated_agent_id, item.agent_name, prior.id AS first_id,
            prior.facts_digest AS first_digest, service.id AS service_id, agent.whole AS agent, policy.authorizes_at_once,
            coalesce(own.id, referred.id, external.id) AS trace_id,
            coalesce(own.id, referred.reference, external.reference) AS known_reference,
            coalesce(referred.external_id, external.external_id) AS known_external_id
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
            SELECT seen.id, seen AS whole FROM metering_agent seen
            WHERE seen.tenant_id = tenant AND seen.id = item.agent_id
            OFFSET 0
        ) named ON item.agent_id IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT seen.id, seen AS whole FROM metering_agent seen
            WHERE seen.tenant_id = tenant AND seen.name = item.agent_name
            OFFSET 0
        ) called ON item.agent_name IS NOT NULL AND named.id IS NULL
        CROSS JOIN LATERAL (SELECT coalesce(named.whole, called.whole) AS whole) agent
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
        LEFT JOIN LATERAL (
            SELECT seen.authorizes_at_once FROM metering_policy seen WHERE seen.tenant_id = tenant OFFSET 0
        ) policy ON item.status IS NULL
        ORDER BY item.ordinality
    LOOP
        one.posting_outcome := CASE
            WHEN found.first_id IS NOT NULL THEN 'exists'
            WHEN found.stated_agent_id IS NOT NULL AND found.agent_name IS NULL AND found.agent IS NULL THEN 'unknown_agent'
            WHEN found.service_id IS NULL OR found.trace_id IS NULL OR (found.agent_name IS NOT NULL AND found.agent IS NULL) THEN 'unnamed'
            ELSE 'posted'
        END;
        one.first_id := found.first_id;
        one.first_digest := found.first_digest;
        one.service_id := found.service_id;
        one.agent := found.agent;
        one.trace_id := found.trace_id;
        one.known_reference := found.known_reference;
        one.known_external_id := found.known_external_id;
        one.begins_as := metering_decide_status(found.stated_status, found.agent, found.authorizes_at_once);
        one.decline_reason := metering_decline_reason(found.stated_status, found.agent);
        resolved := resolved || one;
    END LOOP;
    RETURN metering_resolve_repeated_keys(items, resolved);
END
$$;
