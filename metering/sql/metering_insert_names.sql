-- Inserts the services, agents and shared traces that postings name and that don't exist yet.
-- Takes: the tenant, the postings and their resolutions. Returns: nothing; what exists now is found by resolving again.
-- Locks: waits where another call is inserting the same name. Sorted by name, so two calls always lock in the same order and can't
-- deadlock.
-- Never: changes a row that exists, or acts on a posting that isn't `unnamed`.
CREATE OR REPLACE FUNCTION metering_insert_names(tenant uuid, items metering_posting[], resolved metering_resolution[])
RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO metering_service (id, tenant_id, name)
    SELECT DISTINCT ON (service_name) ledger_new_id(), tenant, service_name
    FROM unnest(items, resolved) WHERE posting_outcome = 'unnamed' AND service_id IS NULL ORDER BY service_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    INSERT INTO metering_agent (id, tenant_id, label, name, status)
    SELECT DISTINCT ON (agent_name) ledger_new_id(), tenant, agent_name, agent_name, 'active'
    FROM unnest(items, resolved) WHERE posting_outcome = 'unnamed' AND agent IS NULL AND agent_name IS NOT NULL ORDER BY agent_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    -- A trace named by its UUID takes the external id along unless another trace has it or came first.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT wanted.new_trace_id, tenant, wanted.trace_reference,
        CASE WHEN wanted.use_number = 1 AND NOT EXISTS (
            SELECT FROM metering_trace taken WHERE taken.tenant_id = tenant AND taken.external_id = wanted.trace_external_id
        ) THEN wanted.trace_external_id END
    FROM (
        SELECT named_trace.*, row_number() OVER (PARTITION BY trace_external_id ORDER BY ordinality) AS use_number
        FROM (
            SELECT DISTINCT ON (trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END)
                new_trace_id, trace_reference, trace_external_id, ordinality
            FROM unnest(items, resolved) WITH ORDINALITY
            WHERE posting_outcome = 'unnamed' AND trace_id IS NULL
            ORDER BY trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END, ordinality
        ) named_trace
    ) wanted
    WHERE wanted.trace_reference IS NOT NULL
    ORDER BY wanted.trace_reference
    ON CONFLICT (tenant_id, reference) DO NOTHING;

    -- A trace named by its external id alone.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT DISTINCT ON (item.trace_external_id) item.new_trace_id, tenant, item.new_trace_id, item.trace_external_id
    FROM unnest(items, resolved) WITH ORDINALITY item
    WHERE item.posting_outcome = 'unnamed' AND item.trace_reference IS NULL AND item.trace_id IS NULL AND NOT EXISTS (
        SELECT FROM metering_trace taken WHERE taken.tenant_id = tenant AND taken.external_id = item.trace_external_id
    )
    ORDER BY item.trace_external_id, item.ordinality
    ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING;
END
$$;
