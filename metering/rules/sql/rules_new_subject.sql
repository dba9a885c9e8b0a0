-- A transaction that is being recorded, as rules see it.
--
-- Takes: what it will be, its agent and trace, and its costs, a JSON array of {amount, currency, is_estimate, superseded_by_id}; one that
-- is superseded already doesn't count.
-- Returns: the subject.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION rules_new_subject(
    id uuid, service_name text, action_name text, resource_name text, agent_id uuid, agent_name text, agent_customer_id text,
    trace metering_trace, customer_id text, qualifiers json, metadata json, costs jsonb
)
RETURNS rules_subject
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    subject rules_subject;
BEGIN
    subject.transaction_id := id;
    subject.round := 1;
    subject.service_name := service_name;
    subject.action_name := action_name;
    subject.resource_name := resource_name;
    subject.agent_id := agent_id;
    subject.agent_name := agent_name;
    subject.trace_reference := trace.reference;
    subject.trace_external_id := trace.external_id;
    subject.customer_id := coalesce(customer_id, agent_customer_id);
    subject.qualifiers := qualifiers;
    subject.metadata := metadata;
    subject.costs := ARRAY(
        SELECT jsonb_populate_record(NULL::rules_amount, cost)
        FROM jsonb_array_elements(coalesce(costs, '[]')) AS cost WHERE cost ->> 'superseded_by_id' IS NULL
    );
    RETURN subject;
END
$$;
