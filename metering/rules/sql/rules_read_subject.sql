-- A recorded transaction, as rules see it now.
-- Takes: the tenant and the transaction. Returns: the subject. Locks: nothing: callers hold the transaction's lock.
CREATE OR REPLACE FUNCTION rules_read_subject(tenant uuid, transaction uuid)
RETURNS rules_subject
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    subject rules_subject;
BEGIN
    SELECT owner.id, owner.round, owner.status, service.name, owner.action_name, owner.resource_name, owner.agent_id, agent.name,
        trace.reference, trace.external_id, coalesce(owner.customer_id, agent.customer_id), owner.qualifiers, owner.metadata,
        ARRAY(
            SELECT ROW(cost.fiat_amount, cost.fiat_asset_symbol, cost.is_estimate)::rules_amount
            FROM metering_cost AS cost
            WHERE cost.tenant_id = tenant AND cost.transaction_id = owner.id AND cost.is_active AND cost.payment_id IS NULL
        ),
        asked.payment, paid.fiat_amount, paid.fiat_asset_symbol
    INTO subject
    FROM metering_transaction AS owner
    JOIN metering_service AS service ON service.tenant_id = tenant AND service.id = owner.service_id
    JOIN metering_trace AS trace ON trace.tenant_id = tenant AND trace.id = owner.trace_id
    LEFT JOIN metering_agent AS agent ON agent.tenant_id = tenant AND agent.id = owner.agent_id
    LEFT JOIN LATERAL (
        SELECT request.payment
        FROM rules_authorizationrequest AS request
        WHERE request.tenant_id = tenant AND request.transaction_id = owner.id AND request.status = 'authorized'
            AND request.payment_amount IS NOT NULL
        ORDER BY request.round DESC
        LIMIT 1
    ) AS asked ON owner.requires_payment
    -- What the newest payment of a 402 holds or took; what those before it held is zero.
    -- Not ORDER BY ... LIMIT 1: a plan would read the whole table backwards in the primary key.
    LEFT JOIN LATERAL (
        SELECT (array_agg(cost.fiat_amount ORDER BY cost.id DESC))[1] AS fiat_amount,
            (array_agg(cost.fiat_asset_symbol ORDER BY cost.id DESC))[1] AS fiat_asset_symbol
        FROM metering_cost AS cost
        WHERE cost.tenant_id = tenant AND cost.transaction_id = owner.id AND cost.is_active AND cost.payment_id IS NOT NULL
    ) AS paid ON owner.requires_payment
    WHERE owner.tenant_id = tenant AND owner.id = transaction;
    RETURN subject;
END
$$;
