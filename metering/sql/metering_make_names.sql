-- Services, agents and shared traces come into being with their first transaction. Sorted, so that two calls that make the same ones
-- wait for each other in one direction only; what another call made meanwhile is found by the next look.
CREATE OR REPLACE FUNCTION metering_make_names(items metering_posting[], known metering_known[]) RETURNS void LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO metering_service (id, tenant_id, name)
    SELECT DISTINCT ON (tenant_id, service_name) new_service_id, tenant_id, service_name
    FROM unnest(items, known) WHERE verdict = 'unnamed' AND service_id IS NULL ORDER BY tenant_id, service_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    INSERT INTO metering_agent (id, tenant_id, label, name, status)
    SELECT DISTINCT ON (tenant_id, agent_name) new_agent_id, tenant_id, agent_name, agent_name, 'active'
    FROM unnest(items, known) WHERE verdict = 'unnamed' AND agent IS NULL AND agent_name IS NOT NULL ORDER BY tenant_id, agent_name
    ON CONFLICT (tenant_id, name) DO NOTHING;

    -- A trace named by its UUID takes the external id along unless another trace has it or came first.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT wanted.new_trace_id, wanted.tenant_id, wanted.trace_reference,
        CASE WHEN wanted.turn = 1 AND NOT EXISTS (
            SELECT FROM metering_trace taken WHERE taken.tenant_id = wanted.tenant_id AND taken.external_id = wanted.trace_external_id
        ) THEN wanted.trace_external_id END
    FROM (
        SELECT once.*, row_number() OVER (PARTITION BY tenant_id, trace_external_id ORDER BY ordinality) AS turn
        FROM (
            SELECT DISTINCT ON (tenant_id, trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END)
                tenant_id, new_trace_id, trace_reference, trace_external_id, ordinality
            FROM unnest(items, known) WITH ORDINALITY
            WHERE verdict = 'unnamed' AND trace_id IS NULL
            ORDER BY tenant_id, trace_reference, CASE WHEN trace_reference IS NULL THEN trace_external_id END, ordinality
        ) once
    ) wanted
    WHERE wanted.trace_reference IS NOT NULL
    ORDER BY wanted.tenant_id, wanted.trace_reference
    ON CONFLICT (tenant_id, reference) DO NOTHING;

    -- A trace named by its external id alone.
    INSERT INTO metering_trace (id, tenant_id, reference, external_id)
    SELECT DISTINCT ON (item.tenant_id, item.trace_external_id) item.new_trace_id, item.tenant_id, item.new_trace_id, item.trace_external_id
    FROM unnest(items, known) WITH ORDINALITY item
    WHERE item.verdict = 'unnamed' AND item.trace_reference IS NULL AND item.trace_id IS NULL AND NOT EXISTS (
        SELECT FROM metering_trace taken WHERE taken.tenant_id = item.tenant_id AND taken.external_id = item.trace_external_id
    )
    ORDER BY item.tenant_id, item.trace_external_id, item.ordinality
    ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING;
END
$$;
