-- Takes: a transaction. Returns: what a reply about it is made of (TransactionReply), with its service, agent, trace and costs, as JSON.
-- The customer's own JSON is a string, so that it stays as it was sent. Facts and payment data are left out. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_transaction_snapshot(kept metering_transaction)
RETURNS json
LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', kept.id, 'tenant_id', kept.tenant_id, 'service_name', service.name, 'action_name', kept.action_name,
        'resource_name', kept.resource_name, 'service_id', kept.service_id, 'status', kept.status,
        'requires_payment', kept.requires_payment, 'qualifiers', kept.qualifiers::text, 'metadata', kept.metadata::text,
        'occurred_at', kept.occurred_at, 'created_at', kept.created_at, 'updated_at', kept.updated_at, 'preparing_at', kept.preparing_at,
        'authorized_at', kept.authorized_at, 'denied_at', kept.denied_at, 'cancelled_at', kept.cancelled_at,
        'completed_at', kept.completed_at, 'outcome', kept.outcome, 'decline_reason', kept.decline_reason,
        'trace', json_build_object('id', trace.reference, 'external_id', trace.external_id), 'trace_id', trace.reference,
        'agent_id', kept.agent_id, 'actor', kept.actor, 'customer_id', kept.customer_id,
        'agent', CASE WHEN agent.id IS NOT NULL THEN json_build_object(
            'id', agent.id, 'tenant_id', agent.tenant_id, 'label', agent.label, 'name', agent.name, 'description', agent.description,
            'status', agent.status, 'customer_id', agent.customer_id, 'created_at', agent.created_at, 'updated_at', agent.updated_at
        ) END,
        'costs', (
            SELECT coalesce(json_agg(metering_cost_snapshot(cost) ORDER BY cost.created_at, cost.id), '[]')
            FROM metering_cost cost WHERE cost.tenant_id = kept.tenant_id AND cost.transaction_id = kept.id
        )
    )
    FROM metering_service service
    JOIN metering_trace trace ON trace.tenant_id = kept.tenant_id AND trace.id = kept.trace_id
    LEFT JOIN metering_agent agent ON agent.tenant_id = kept.tenant_id AND agent.id = kept.agent_id
    WHERE service.tenant_id = kept.tenant_id AND service.id = kept.service_id
$$;
