"""Exports of the billing ledger: entries that a backfill imports, and settings for the record."""

from kernel.ledger.exports.definitions import Export, Field, Kind, fields

EXPORTS = (
    Export(
        name="billing-transactions",
        description="every entry of every wallet",
        command="backfill_billing_transactions",
        tables=("billing_transaction",),
        row="entry",
        fields=(
            *fields("id", "reference_id", "type"),
            Field("amount", kind=Kind.MONEY),
            Field("currency"),
            Field("occurred_at", kind=Kind.MOMENT),
            *fields("agent_id", "description"),
            Field("metadata", kind=Kind.JSON),
            Field("reverses", "original.reference_id"),
            Field("reason_code", "nullif(entry.reason_code, '')"),
            Field("reason", "nullif(entry.reason, '')"),
            Field("facts_digest", kind=Kind.DIGEST),
            Field("direction"),
            Field("type_label", "CASE WHEN kind.is_catalogued THEN kind.label END"),
            Field("effect", kind=Kind.MONEY),
            Field("entry_number", kind=Kind.WHOLE),
            Field("balance_after", kind=Kind.MONEY),
            Field("flags", "array_to_string(entry.flags, ' ')"),
            Field("created_at", kind=Kind.MOMENT),
            *fields("actor", "request_id"),
        ),
        source="""
            billing_transaction AS entry
            JOIN billing_transactiontype AS kind ON kind.tenant_id = entry.tenant_id AND kind.code = entry.type
            LEFT JOIN billing_transaction AS original ON original.tenant_id = entry.tenant_id AND original.id = entry.reverses_id
            WHERE entry.tenant_id = %(tenant)s
            ORDER BY entry.wallet_id, entry.entry_number
        """,
    ),
    Export(
        name="billing-types",
        description="the catalogue of types, those that no entry has as well",
        tables=("billing_transactiontype",),
        row="kind",
        fields=(
            *fields("code", "label", "direction"),
            Field("is_catalogued", kind=Kind.FLAG),
            Field("created_at", kind=Kind.MOMENT),
            Field("created_by"),
        ),
        source="billing_transactiontype AS kind WHERE kind.tenant_id = %(tenant)s ORDER BY kind.code",
    ),
    Export(
        name="billing-wallets",
        description="the balance and the floor of each wallet",
        tables=("billing_wallet",),
        row="wallet",
        fields=(
            *fields("id", "currency"),
            *fields("balance", "floor", kind=Kind.MONEY),
            Field("last_entry_number", kind=Kind.WHOLE),
            *fields("last_entry_at", "created_at", kind=Kind.MOMENT),
        ),
        source="billing_wallet AS wallet WHERE wallet.tenant_id = %(tenant)s ORDER BY wallet.currency",
    ),
    Export(
        name="billing-policy",
        description="the tenant's billing settings",
        tables=("billing_policy",),
        row="policy",
        fields=(
            Field("strict_types", kind=Kind.FLAG),
            Field("near_duplicate_seconds", kind=Kind.WHOLE),
            Field("default_floor", kind=Kind.MONEY),
            Field("updated_at", kind=Kind.MOMENT),
            Field("updated_by"),
        ),
        source="billing_policy AS policy WHERE policy.tenant_id = %(tenant)s",
    ),
)
