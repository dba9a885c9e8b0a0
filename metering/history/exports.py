"""Metered transactions with their costs as their backfill reads them back."""

from kernel.ledger.exporting import Export, amount, digest, moment

EXPORTS = (
    Export(
        name="metered-transactions",
        says="every transaction with all its costs, superseded ones too",
        command="backfill_metered_transactions",
        json_columns=frozenset({"qualifiers", "metadata", "request_facts", "payment_data", "costs"}),
        statement=f"""
            SELECT transaction.id::text, transaction.idempotency_key, {moment("transaction.occurred_at")} AS occurred_at,
                service.name AS service_name, transaction.action_name, transaction.resource_name, agent.name AS agent_name,
                trace.reference::text AS trace_id, trace.external_id AS trace_external_id, transaction.status, transaction.outcome,
                {moment("transaction.completed_at")} AS completed_at, transaction.qualifiers::text, transaction.metadata::text,
                transaction.request_facts::text, transaction.payment_data::text, (
                    SELECT json_agg(json_build_object(
                        'id', cost.id, 'fiatAmount', {amount("cost.fiat_amount")}, 'fiatAssetSymbol', cost.fiat_asset_symbol,
                        'isEstimate', cost.is_estimate, 'supersedes', cost.supersedes_id, 'costDetails', cost.cost_details
                    ) ORDER BY cost.created_at, cost.id)::text
                    FROM metering_cost AS cost
                    WHERE cost.tenant_id = transaction.tenant_id AND cost.transaction_id = transaction.id
                ) AS costs, {digest("transaction.facts_digest")} AS facts_digest, transaction.decline_reason,
                {moment("transaction.created_at")} AS created_at, transaction.actor, transaction.request_id
            FROM metering_transaction AS transaction
            JOIN metering_service AS service ON service.tenant_id = transaction.tenant_id AND service.id = transaction.service_id
            JOIN metering_trace AS trace ON trace.tenant_id = transaction.tenant_id AND trace.id = transaction.trace_id
            LEFT JOIN metering_agent AS agent ON agent.tenant_id = transaction.tenant_id AND agent.id = transaction.agent_id
            WHERE transaction.tenant_id = %(tenant)s
            ORDER BY transaction.created_at, transaction.id
        """,  # noqa: S608 - made of constants
    ),
)
