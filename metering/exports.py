"""Exports of the metering ledger: transactions that a backfill imports, and the rest for the record."""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, amount, digest, fields, moment

# The costs sent with a denied or cancelled transaction are a fact without a digest of its own (metering_insert_unwritten_costs). They come
# back as costs, of which the posting makes the same fact again.
UNWRITTEN_COSTS = """(
    SELECT sent.facts -> 'costs' FROM metering_fact AS sent
    WHERE sent.tenant_id = transaction.tenant_id AND sent.transaction_id = transaction.id AND sent.facts_digest IS NULL
)"""
COSTS = f"""COALESCE({UNWRITTEN_COSTS}, (
    SELECT json_agg(json_build_object(
        'id', cost.id, 'fiatAmount', {amount("cost.fiat_amount")}, 'fiatAssetSymbol', cost.fiat_asset_symbol,
        'isEstimate', cost.is_estimate, 'supersedes', cost.supersedes_id, 'supersededBy', cost.superseded_by_id,
        'costDetails', cost.cost_details, 'inferredFrom', cost.inferred_from_id, 'repricing', cost.repricing,
        'idempotencyKey', cost.idempotency_key, 'factsDigest', {digest("cost.facts_digest")},
        'occurredAt', CASE WHEN cost.occurred_at <> transaction.occurred_at THEN {moment("cost.occurred_at")} END,
        'createdAt', {moment("cost.created_at")}
    ) ORDER BY cost.created_at, cost.id)
    FROM metering_cost AS cost WHERE cost.tenant_id = transaction.tenant_id AND cost.transaction_id = transaction.id
))"""  # noqa: S608 - made of constants
STATUS_CHANGES = f"""(
    SELECT json_agg(json_build_object(
        'id', step.id, 'from', step.from_status, 'to', step.to_status, 'round', step.round, 'reason', step.reason,
        'idempotencyKey', step.idempotency_key, 'factsDigest', {digest("step.facts_digest")},
        'occurredAt', {moment("step.occurred_at")}, 'createdAt', {moment("step.created_at")}
    ) ORDER BY step.created_at, step.id)
    FROM metering_statuschange AS step WHERE step.tenant_id = transaction.tenant_id AND step.transaction_id = transaction.id
)"""  # noqa: S608 - made of constants
REPORTED_FACTS = f"""(
    SELECT json_agg(json_build_object(
        'id', fact.id, 'source', fact.source, 'version', fact.version, 'phase', fact.phase, 'facts', fact.facts,
        'integration', fact.integration, 'callId', fact.call_id, 'pricing', fact.pricing, 'pricingNote', fact.pricing_note,
        'pricingFields', fact.pricing_fields,
        'idempotencyKey', fact.idempotency_key, 'factsDigest', {digest("fact.facts_digest")},
        'occurredAt', {moment("fact.occurred_at")}, 'createdAt', {moment("fact.created_at")}
    ) ORDER BY fact.created_at, fact.id)
    FROM metering_fact AS fact
    WHERE fact.tenant_id = transaction.tenant_id AND fact.transaction_id = transaction.id AND fact.facts_digest IS NOT NULL
)"""  # noqa: S608 - made of constants
UNIT_PRICES = f"""(
    SELECT json_agg(json_build_object(
        'id', unit.id, 'factKey', unit.fact_key, 'amount', {amount("unit.amount")}, 'per', unit.per, 'isOptional', unit.is_optional,
        'isPackage', unit.is_package, 'tierMode', unit.tier_mode, 'tiers', unit.tiers, 'partOf', unit.part_of
    ) ORDER BY unit.fact_key)
    FROM metering_unitprice AS unit WHERE unit.tenant_id = price.tenant_id AND unit.price_id = price.id
)"""  # noqa: S608 - made of constants

EXPORTS = (
    LedgerFile(
        name="metered-transactions",
        description="every transaction with all its costs, superseded ones too, the steps of its status and what integrations reported",
        command="backfill_metered_transactions",
        tables=(
            *("metering_transaction", "metering_cost", "metering_statuschange", "metering_fact"),
            *("metering_service", "metering_trace"),
        ),
        row="transaction",
        fields=(
            *fields("id", "idempotency_key"),
            Field("occurred_at", kind=Kind.MOMENT),
            Field("service_name", "service.name"),
            *fields("action_name", "resource_name"),
            Field("agent_name", "agent.name"),
            Field("trace_id", "trace.reference"),
            Field("trace_external_id", "trace.external_id"),
            *fields("status", "outcome"),
            Field("completed_at", kind=Kind.MOMENT),
            Field("customer_id"),
            *fields("qualifiers", "metadata", "request_facts", "payment_data", kind=Kind.JSON),
            Field("costs", COSTS, kind=Kind.JSON),
            Field("status_changes", STATUS_CHANGES, kind=Kind.JSON),
            Field("reported_facts", REPORTED_FACTS, kind=Kind.JSON),
            Field("decline_reason"),
            Field("facts_digest", kind=Kind.DIGEST),
            Field("created_at", kind=Kind.MOMENT),
            *fields("actor", "request_id"),
        ),
        source="""
            metering_transaction AS transaction
            JOIN metering_service AS service ON service.tenant_id = transaction.tenant_id AND service.id = transaction.service_id
            JOIN metering_trace AS trace ON trace.tenant_id = transaction.tenant_id AND trace.id = transaction.trace_id
            LEFT JOIN metering_agent AS agent ON agent.tenant_id = transaction.tenant_id AND agent.id = transaction.agent_id
            WHERE transaction.tenant_id = %(tenant)s
            ORDER BY transaction.created_at, transaction.id
        """,
    ),
    LedgerFile(
        name="metering-agents",
        description="what the tenant knows of its agents",
        tables=("metering_agent",),
        row="agent",
        fields=(
            *fields("id", "name", "label", "description", "status", "customer_id"),
            *fields("created_at", "updated_at", kind=Kind.MOMENT),
        ),
        source="metering_agent AS agent WHERE agent.tenant_id = %(tenant)s ORDER BY agent.name",
    ),
    LedgerFile(
        name="metering-prices",
        description="the price book, with the prices that have ended",
        tables=("metering_price", "metering_unitprice"),
        row="price",
        fields=(
            *fields("id", "service_name", "action_name", "resource_name", "currency"),
            *fields("flat_amount", "minimum", kind=Kind.MONEY),
            Field("markup"),
            *fields("valid_from", "valid_to", kind=Kind.MOMENT),
            Field("units", UNIT_PRICES, kind=Kind.JSON),
            Field("actor"),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="metering_price AS price WHERE price.tenant_id = %(tenant)s ORDER BY price.valid_from, price.id",
    ),
    LedgerFile(
        name="metering-policy",
        description="how the tenant's transactions are decided and closed",
        tables=("metering_policy",),
        row="policy",
        fields=(
            Field("authorizes_at_once", kind=Kind.FLAG),
            Field("stale_after_seconds", "extract(epoch FROM policy.stale_after)"),
            Field("reported_costs"),
            Field("prices_self_hosted", kind=Kind.FLAG),
            Field("backdating_limit_seconds", "extract(epoch FROM policy.backdating_limit)"),
            Field("postdating_limit_seconds", "extract(epoch FROM policy.postdating_limit)"),
            Field("updated_at", kind=Kind.MOMENT),
            Field("actor"),
        ),
        source="metering_policy AS policy WHERE policy.tenant_id = %(tenant)s",
    ),
    LedgerFile(
        name="metering-usage-keys",
        description="the members of qualifiers and metadata that the tenant's usage is counted by, with those that were withdrawn",
        tables=("metering_usagekey",),
        row="key",
        fields=(
            *fields("id", "place", "name"),
            *fields("declared_at", "withdrawn_at", kind=Kind.MOMENT),
            Field("actor"),
        ),
        source="metering_usagekey AS key WHERE key.tenant_id = %(tenant)s ORDER BY key.number",
    ),
)
