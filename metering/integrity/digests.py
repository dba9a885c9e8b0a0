"""The check that a transaction's facts are those its digest was made of."""

from kernel.ledger.integrity.digests import DigestCheck
from metering.digests import TRANSACTION_FACTS, transaction_digest

CHECKS = (
    DigestCheck(
        name="metering_digest",
        rule="What was asked of a transaction is what its digest was made of when it was recorded.",
        statement="""
            SELECT transaction.tenant_id, transaction.id, transaction.facts_digest, service.name AS service_name, transaction.action_name,
                transaction.resource_name, transaction.qualifiers::text AS qualifiers, transaction.metadata::text AS metadata,
                transaction.request_facts::text AS request_facts, transaction.payment_data::text AS payment_data,
                trace.reference AS trace_id, transaction.agent_id, agent.name AS agent_name, transaction.occurred_at
            FROM metering_transaction AS transaction
            JOIN metering_service AS service ON service.tenant_id = transaction.tenant_id AND service.id = transaction.service_id
            JOIN metering_trace AS trace ON trace.tenant_id = transaction.tenant_id AND trace.id = transaction.trace_id
            LEFT JOIN metering_agent AS agent ON agent.tenant_id = transaction.tenant_id AND agent.id = transaction.agent_id
            WHERE transaction.facts_digest IS NOT NULL AND (%(tenant)s::uuid IS NULL OR transaction.tenant_id = %(tenant)s)
        """,
        facts=TRANSACTION_FACTS,
        digest_of=transaction_digest,
        # Status and outcome move on, an external id may belong to an earlier trace, of an agent's id and name one gave way to the other,
        # and costs are rows of their own.
        unproven=frozenset({"status", "outcome", "costs", "trace_external_id", "agent_id", "agent_name"}),
    ),
)
