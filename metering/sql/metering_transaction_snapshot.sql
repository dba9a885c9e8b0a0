-- Takes: a transaction. Returns: what a reply about it is made of (TransactionReply), with its service, agent, trace and costs, as JSON.
-- The customer's own JSON is a string, so that it stays as it was sent. Facts and payment data are left out. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_transaction_snapshot(transaction metering_transaction)
RETURNS json
LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'id', transaction.id, 'tenant_id', transaction.tenant_id, 'service_name', service.name, 'action_name', transaction.action_name,
        'resource_name', transaction.resource_name, 'service_id', transaction.service_id, 'status', transaction.status, 'requires_payment',
        transaction.requires_payment, 'qualifiers', transaction.qualifiers::text, 'metadata', transaction.metadata::text, 'occurred_at',
        transaction.occurred_at, 'created_at', transaction.created_at, 'updated_at', transaction.updated_at, 'preparing_at',
        transaction.preparing_at, 'authorized_at', transaction.authorized_at, 'denied_at', transaction.denied_at, 'cancelled_at',
        transaction.cancelled_at, 'completed_at', transaction.completed_at, 'outcome', transaction.outcome, 'decline_reason',
        transaction.decline_reason,
        'trace', json_build_object('id', trace.reference, 'external_id', trace.external_id), 'trace_id', trace.reference,
        'agent_id', transaction.agent_id, 'actor', transaction.actor, 'customer_id', transaction.customer_id,
        'agent', CASE WHEN agent.id IS NOT NULL THEN json_build_object(
            'id', agent.id, 'tenant_id', agent.tenant_id, 'label', agent.label, 'name', agent.name, 'description', agent.description,
            'status', agent.status, 'customer_id', agent.customer_id, 'created_at', agent.created_at, 'updated_at', agent.updated_at
        ) END,
        'costs', (
            SELECT coalesce(json_agg(metering_cost_snapshot(cost) ORDER BY cost.created_at, cost.id), '[]')
            FROM metering_cost cost WHERE cost.tenant_id = transaction.tenant_id AND cost.transaction_id = transaction.id
        )
    )
    FROM metering_service service
    JOIN metering_trace trace ON trace.tenant_id = transaction.tenant_id AND trace.id = transaction.trace_id
    LEFT JOIN metering_agent agent ON agent.tenant_id = transaction.tenant_id AND agent.id = transaction.agent_id
    WHERE service.tenant_id = transaction.tenant_id AND service.id = transaction.service_id
$$;
