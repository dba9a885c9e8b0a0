"""Checks that the facts of a row are those its digest was made of."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kernel.ledger.integrity.digests import DigestCheck
from metering.digests import AMENDMENT_FACTS, TRANSACTION_FACTS, amendment_digest, transaction_digest

# Facts that the row may hold differently from what the caller stated, so that they can't be compared.
UNPROVEN = frozenset(
    {
        # They change later.
        *("status", "outcome"),
        # The caller's may name a trace that was there before, with another external id.
        "trace_external_id",
        # Of an id and a name that the caller sent, the row holds one agent, whose other value may differ.
        *("agent_id", "agent_name"),
        # They are a fact of their own, with a digest of its own.
        "response_facts",
    }
)
# Facts that the ledger never fills in by itself.
DOCUMENTS = frozenset({"qualifiers", "metadata", "request_facts", "payment_data", "customer_id"})
# The costs sent with a transaction: those rows that have no digest of their own, or what is kept of them as a fact of a denied or
# cancelled one.
TRANSACTIONS = """
    SELECT transaction.tenant_id, transaction.id, transaction.facts_digest, service.name AS service_name, transaction.action_name,
        transaction.resource_name, transaction.qualifiers::text AS qualifiers, transaction.metadata::text AS metadata,
        transaction.request_facts::text AS request_facts, transaction.payment_data::text AS payment_data,
        trace.reference AS trace_id, transaction.customer_id, transaction.agent_id, agent.name AS agent_name, transaction.occurred_at,
        coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'fiat_amount', cost ->> 'fiatAmount', 'fiat_asset_symbol', cost ->> 'fiatAssetSymbol',
                'is_estimate', (cost ->> 'isEstimate')::boolean,
                'cost_details', CASE WHEN json_typeof(cost -> 'costDetails') <> 'null' THEN (cost -> 'costDetails')::text END
            ) ORDER BY place)
            FROM metering_fact AS unwritten
            CROSS JOIN LATERAL json_array_elements(unwritten.facts -> 'costs') WITH ORDINALITY AS sent (cost, place)
            WHERE unwritten.tenant_id = transaction.tenant_id
                AND unwritten.transaction_id = transaction.id AND unwritten.facts_digest IS NULL
        ), (
            SELECT jsonb_agg(jsonb_build_object(
                'fiat_amount', cost.fiat_amount::text, 'fiat_asset_symbol', cost.fiat_asset_symbol, 'is_estimate', cost.is_estimate,
                'cost_details', cost.cost_details::text
            ) ORDER BY cost.id)
            FROM metering_cost AS cost
            WHERE cost.tenant_id = transaction.tenant_id AND cost.transaction_id = transaction.id AND cost.facts_digest IS NULL
        )) AS costs
    FROM metering_transaction AS transaction
    JOIN metering_service AS service ON service.tenant_id = transaction.tenant_id AND service.id = transaction.service_id
    JOIN metering_trace AS trace ON trace.tenant_id = transaction.tenant_id AND trace.id = transaction.trace_id
    LEFT JOIN metering_agent AS agent ON agent.tenant_id = transaction.tenant_id AND agent.id = transaction.agent_id
    WHERE (%(tenant)s::uuid IS NULL OR transaction.tenant_id = %(tenant)s)
"""


def _transaction_digest(row: Mapping[str, Any]) -> bytes:
    # Django's cursors leave JSON as its text.
    costs = [{**cost, "fiat_amount": Decimal(cost["fiat_amount"])} for cost in json.loads(row["costs"] or "[]")]
    return transaction_digest({**row, "costs": costs})


def _of_added_rows(name: str, rule: str, *, table: str, columns: str, proven: frozenset[str]) -> DigestCheck:
    """The check of rows that were added to a transaction. What their call didn't state of them is no part of the digest."""
    return DigestCheck(
        name=name,
        rule=rule,
        statement=f"""
            SELECT added.tenant_id, added.id, added.facts_digest, added.transaction_id, added.occurred_at, {columns}
            FROM {table} AS added
            WHERE added.facts_digest IS NOT NULL AND (%(tenant)s::uuid IS NULL OR added.tenant_id = %(tenant)s)
        """,  # noqa: S608 - made of constants
        facts=AMENDMENT_FACTS,
        digest_of=amendment_digest,
        unproven=frozenset(AMENDMENT_FACTS) - proven - {"transaction_id", "occurred_at"},
        only_stated=frozenset({"integration", "call_id"}),
    )


CHECKS = (
    DigestCheck(
        name="metering_digest",
        rule="A transaction's facts, the costs sent with it among them, are those that its digest was made of.",
        statement=TRANSACTIONS + "AND transaction.request_id NOT LIKE 'run:%%'",
        facts=TRANSACTION_FACTS,
        digest_of=_transaction_digest,
        unproven=UNPROVEN,
        only_stated=DOCUMENTS,
    ),
    DigestCheck(
        name="metering_imported_digest",
        rule="An imported transaction's facts are those that its digest was made of.",
        statement=TRANSACTIONS + "AND transaction.request_id LIKE 'run:%%'",
        facts=TRANSACTION_FACTS,
        digest_of=_transaction_digest,
        # Some costs of a row may have come later, by calls of their own.
        unproven=UNPROVEN | {"costs"},
        only_stated=DOCUMENTS,
    ),
    _of_added_rows(
        "metering_fact_digest",
        "A fact is what its call reported.",
        table="metering_fact",
        columns="added.source, added.version, added.phase, added.facts::text facts, added.integration::text integration, added.call_id",
        proven=frozenset({"source", "version", "phase", "facts", "integration", "call_id"}),
    ),
    _of_added_rows(
        "metering_cost_digest",
        "A cost that was added later is what its call stated.",
        table="metering_cost",
        columns="added.fiat_amount, added.fiat_asset_symbol, added.is_estimate, added.supersedes_id, added.cost_details::text cost_details",
        proven=frozenset({"fiat_amount", "fiat_asset_symbol", "is_estimate", "supersedes_id", "cost_details"}),
    ),
    _of_added_rows(
        "metering_step_digest",
        "A step of a status has the reason that its call gave.",
        table="metering_statuschange",
        columns="added.reason",
        proven=frozenset({"reason"}),
    ),
)
