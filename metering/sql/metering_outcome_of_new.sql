-- The outcome of a posting that metering_post_single wrote.
-- Takes: what is known of it (id, status, reason, time, whether it must be paid), and its service, agent and trace.
-- Returns: the outcome `posted`. Locks nothing.
CREATE OR REPLACE FUNCTION metering_outcome_of_new(posted metering_outcome, service uuid, agent metering_agent, trace metering_trace)
RETURNS metering_outcome
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    posted.outcome := 'posted';
    posted.service_id := service;
    posted.agent_id := agent.id;
    posted.agent_label := agent.label;
    posted.agent_name := agent.name;
    posted.agent_description := agent.description;
    posted.agent_status := agent.status;
    posted.agent_created_at := agent.created_at;
    posted.agent_updated_at := agent.updated_at;
    posted.agent_customer_id := agent.customer_id;
    posted.trace_reference := trace.reference;
    posted.trace_external_id := trace.external_id;
    RETURN posted;
END
$$;
