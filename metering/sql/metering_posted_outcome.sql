-- The outcome of a posting that metering_post_single_if_plain wrote.
-- Takes: what is known of it (id, status, reason, times, whether it must be paid), and its service, agent and trace.
-- Returns: the outcome `posted`. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_posted_outcome(posted metering_outcome, service uuid, agent metering_found_agent, trace metering_trace)
RETURNS metering_outcome
LANGUAGE sql IMMUTABLE
AS $$
    -- In the order of metering_outcome's attributes. One expression, which PostgreSQL inlines: in PL/pgSQL each assignment is set up anew
    -- for each call.
    SELECT ROW(
        'posted', posted.id, NULL, posted.status, posted.decline_reason, posted.created_at, service, agent.id, agent.label, agent.name,
        agent.description, agent.status, agent.created_at, agent.updated_at, agent.customer_id, trace.reference, trace.external_id,
        posted.requires_payment, posted.status_occurred_at
    )::metering_outcome
$$;
