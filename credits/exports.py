"""Exports of the credits ledger: recurring grants, grants and transactions that backfills import, and the rest for the record."""

from kernel.ledger.exports.definitions import BOOKED, Field, Kind, LedgerFile, amount, digest, fields, moment

# The consumption that a transaction belongs to. Each of its transactions has it, so that an import creates it with the first of them.
CONSUMPTION = f"""
    CASE WHEN draw.id IS NOT NULL THEN json_build_object(
        'id', draw.id, 'customerId', draw.customer_id, 'amount', {amount("draw.amount")}, 'taken', {amount("draw.taken")},
        'partial', draw.partial, 'currency', draw.currency, 'metricId', draw.metric_id, 'reason', draw.reason, 'invoiceId', draw.invoice_id,
        'billingRunId', draw.billing_run_id, 'idempotencyKey', draw.idempotency_key, 'factsDigest', {digest("draw.facts_digest")},
        'occurredAt', {moment("draw.occurred_at")}
    ) END
"""
HOLD_LINES = f"""(
    SELECT json_agg(json_build_object(
        'id', line.id, 'grantId', line.grant_id, 'amount', {amount("line.amount")}, 'remaining', {amount("line.remaining")},
        'chosenBy', line.chosen_by, 'createdAt', {moment("line.created_at")}
    ) ORDER BY line.created_at, line.id)
    FROM credits_holdline AS line WHERE line.tenant_id = hold.tenant_id AND line.hold_id = hold.id
)"""  # noqa: S608 - made of constants
HOLD_ENTRIES = f"""(
    SELECT json_agg(json_build_object(
        'id', entry.id, 'grantId', entry.grant_id, 'kind', entry.kind, 'amount', {amount("entry.amount")},
        'heldAfter', {amount("entry.held_after")}, 'reason', entry.reason, 'occurredAt', {moment("entry.occurred_at")},
        'createdAt', {moment("entry.created_at")}, 'actor', entry.actor, 'requestId', entry.request_id
    ) ORDER BY entry.created_at, entry.id)
    FROM credits_holdentry AS entry WHERE entry.tenant_id = hold.tenant_id AND entry.hold_id = hold.id
)"""  # noqa: S608 - made of constants
HOLD_CALLS = f"""(
    SELECT json_agg(json_build_object(
        'id', call.id, 'kind', call.kind, 'amount', {amount("call.amount")}, 'capturedAfter', {amount("call.captured_after")},
        'expiresAt', {moment("call.expires_at")}, 'isFinal', call.is_final, 'reason', call.reason, 'invoiceId', call.invoice_id,
        'billingRunId', call.billing_run_id, 'idempotencyKey', call.idempotency_key, 'factsDigest', {digest("call.facts_digest")},
        'occurredAt', {moment("call.occurred_at")}, 'createdAt', {moment("call.created_at")}, 'actor', call.actor,
        'requestId', call.request_id
    ) ORDER BY call.created_at, call.id)
    FROM credits_holdcall AS call WHERE call.tenant_id = hold.tenant_id AND call.hold_id = hold.id
)"""  # noqa: S608 - made of constants
NAMED = (
    *fields("id", "idempotency_key", "customer_id", "name", "unit_type", "currency"),
    Field("metric_id", "nullif(grant_row.metric_id, '')"),
)

EXPORTS = (
    LedgerFile(
        name="recurring-grants",
        description="every recurring grant, ended and cancelled ones too; before the grants that they issued",
        command="backfill_recurring_grants",
        tables=("credits_recurringgrant",),
        row="grant_row",
        fields=(
            *NAMED,
            *fields("amount", "cost_of_credit", kind=Kind.MONEY),
            Field("category"),
            *fields("priority", "every_months", kind=Kind.WHOLE),
            *fields("starts_on", "ends_on", kind=Kind.DAY),
            Field("rollover_cap", kind=Kind.MONEY),
            Field("status"),
            Field("next_period", kind=Kind.WHOLE),
            Field("facts_digest", kind=Kind.DIGEST),
            Field("next_on", kind=Kind.DAY),
            *BOOKED,
        ),
        source="credits_recurringgrant AS grant_row WHERE grant_row.tenant_id = %(tenant)s ORDER BY grant_row.created_at, grant_row.id",
    ),
    LedgerFile(
        name="credit-grants",
        description="every grant with its opening transaction, deleted ones too",
        command="backfill_credit_grants",
        tables=("credits_grant", "credits_transaction"),
        row="grant_row",
        fields=(
            *NAMED,
            Field("amount", "grant_row.original_amount", kind=Kind.MONEY),
            Field("cost_of_credit", kind=Kind.MONEY),
            *fields("effective_date", "expiry_date", kind=Kind.DAY),
            Field("category"),
            Field("priority", kind=Kind.WHOLE),
            Field("recurring_grant_id"),
            Field("period", kind=Kind.WHOLE),
            Field("opening_id", "opening.id"),
            Field("facts_digest", kind=Kind.DIGEST),
            *fields("balance", "held", kind=Kind.MONEY),
            Field("status"),
            Field("closed_at", kind=Kind.MOMENT),
            *BOOKED,
        ),
        source="""
            credits_grant AS grant_row
            JOIN credits_transaction AS opening
                ON opening.tenant_id = grant_row.tenant_id AND opening.grant_id = grant_row.id AND opening.entry_number = 1
            WHERE grant_row.tenant_id = %(tenant)s
            ORDER BY grant_row.created_at, grant_row.id
        """,
    ),
    LedgerFile(
        name="credit-transactions",
        description="every transaction on every grant with the draw that it is a part of, but the opening ones, which come with the grants",
        command="backfill_credit_transactions",
        tables=("credits_transaction", "credits_consumption"),
        row="entry",
        fields=(
            *fields("id", "idempotency_key", "grant_id", "type", "kind"),
            Field("amount", kind=Kind.MONEY),
            Field("reason", "nullif(entry.reason, '')"),
            Field("invoice_id", "nullif(entry.invoice_id, '')"),
            Field("billing_run_id", "nullif(entry.billing_run_id, '')"),
            Field("reverses", "entry.reverses_id"),
            Field("chosen_by", kind=Kind.JSON),
            Field("consumption", CONSUMPTION, kind=Kind.JSON),
            Field("facts_digest", kind=Kind.DIGEST),
            Field("customer_id"),
            Field("entry_number", kind=Kind.WHOLE),
            *fields("balance_after", "cost_basis", kind=Kind.MONEY),
            *fields("consumption_id", "hold_id"),
            *BOOKED,
        ),
        source="""
            credits_transaction AS entry
            LEFT JOIN credits_consumption AS draw ON draw.tenant_id = entry.tenant_id AND draw.id = entry.consumption_id
            WHERE entry.tenant_id = %(tenant)s AND entry.kind <> 'opening'
            ORDER BY entry.created_at, entry.grant_id, entry.entry_number
        """,
    ),
    LedgerFile(
        name="credit-consumptions",
        description="every draw across a customer's grants, those that found nothing to take as well",
        tables=("credits_consumption",),
        row="draw",
        fields=(
            *fields("id", "idempotency_key", "customer_id", "currency", "metric_id"),
            *fields("amount", "taken", kind=Kind.MONEY),
            Field("partial", kind=Kind.FLAG),
            *fields("reason", "invoice_id", "billing_run_id"),
            Field("facts_digest", kind=Kind.DIGEST),
            *BOOKED,
        ),
        source="credits_consumption AS draw WHERE draw.tenant_id = %(tenant)s ORDER BY draw.created_at, draw.id",
    ),
    LedgerFile(
        name="credit-holds",
        description="every hold with its lines, entries, captures and extensions, closed ones too",
        tables=("credits_hold", "credits_holdline", "credits_holdentry", "credits_holdcall"),
        row="hold",
        fields=(
            *fields("id", "idempotency_key", "customer_id", "currency", "metric_id"),
            *fields("amount", "captured", kind=Kind.MONEY),
            Field("reason"),
            Field("status"),
            *fields("expires_at", "closed_at", kind=Kind.MOMENT),
            Field("lines", HOLD_LINES, kind=Kind.JSON),
            Field("entries", HOLD_ENTRIES, kind=Kind.JSON),
            Field("calls", HOLD_CALLS, kind=Kind.JSON),
            *fields("facts_digest", "close_digest", kind=Kind.DIGEST),
            *BOOKED,
        ),
        source="credits_hold AS hold WHERE hold.tenant_id = %(tenant)s ORDER BY hold.created_at, hold.id",
    ),
    LedgerFile(
        name="credit-alerts",
        description="the balances below which customers are low",
        tables=("credits_balancealert",),
        row="alert",
        fields=(
            *fields("id", "customer_id", "currency", "metric_id"),
            Field("alert_below", kind=Kind.MONEY),
            Field("is_low", kind=Kind.FLAG),
            Field("updated_by"),
            Field("updated_at", kind=Kind.MOMENT),
        ),
        source="credits_balancealert AS alert WHERE alert.tenant_id = %(tenant)s ORDER BY alert.id",
    ),
    LedgerFile(
        name="credit-policy",
        description="the tenant's settings for credits",
        tables=("credits_policy",),
        row="policy",
        fields=(
            Field("id"),
            *fields("expiring_days", "longest_hold_seconds", kind=Kind.WHOLE),
            Field("updated_by"),
            Field("updated_at", kind=Kind.MOMENT),
        ),
        source="credits_policy AS policy WHERE policy.tenant_id = %(tenant)s",
    ),
)
