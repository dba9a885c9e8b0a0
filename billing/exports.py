"""Exports of the billing ledger: entries that a backfill imports, and settings for the record."""

from kernel.ledger.exports.definitions import BOOKED, Field, Kind, LedgerFile, amount, digest, fields, moment

HOLD_ENTRIES = f"""(
    SELECT json_agg(json_build_object(
        'id', entry.id, 'kind', entry.kind, 'amount', {amount("entry.amount")}, 'heldAfter', {amount("entry.held_after")},
        'capturedAfter', {amount("entry.captured_after")}, 'expiresAt', {moment("entry.expires_at")}, 'isFinal', entry.is_final,
        'reason', entry.reason, 'referenceId', entry.reference_id, 'transactionId', entry.transaction_id,
        'factsDigest', {digest("entry.facts_digest")}, 'occurredAt', {moment("entry.occurred_at")},
        'createdAt', {moment("entry.created_at")}, 'actor', entry.actor, 'requestId', entry.request_id
    ) ORDER BY entry.created_at, entry.id)
    FROM billing_walletholdentry AS entry WHERE entry.tenant_id = hold.tenant_id AND entry.hold_id = hold.id
)"""  # noqa: S608 - made of constants

EXPORTS = (
    LedgerFile(
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
    LedgerFile(
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
    LedgerFile(
        name="billing-wallets",
        description="the balance, the held amount and the floor of each wallet",
        tables=("billing_wallet",),
        row="wallet",
        fields=(
            *fields("id", "currency"),
            *fields("balance", "held", "floor", kind=Kind.MONEY),
            Field("last_entry_number", kind=Kind.WHOLE),
            *fields("last_entry_at", "created_at", kind=Kind.MOMENT),
        ),
        source="billing_wallet AS wallet WHERE wallet.tenant_id = %(tenant)s ORDER BY wallet.currency",
    ),
    LedgerFile(
        name="billing-holds",
        description="every hold on a wallet with its entries, ended ones too",
        tables=("billing_wallethold", "billing_walletholdentry"),
        row="hold",
        fields=(
            *fields("id", "wallet_id", "currency"),
            *fields("amount", "captured", kind=Kind.MONEY),
            *fields("reference_id", "reason"),
            Field("allow_overdraft", kind=Kind.FLAG),
            Field("expires_at", kind=Kind.MOMENT),
            Field("status"),
            Field("closed_at", kind=Kind.MOMENT),
            Field("entries", HOLD_ENTRIES, kind=Kind.JSON),
            Field("facts_digest", kind=Kind.DIGEST),
            *BOOKED,
        ),
        source="billing_wallethold AS hold WHERE hold.tenant_id = %(tenant)s ORDER BY hold.created_at, hold.id",
    ),
    LedgerFile(
        name="billing-policy",
        description="the tenant's billing settings",
        tables=("billing_policy",),
        row="policy",
        fields=(
            Field("strict_types", kind=Kind.FLAG),
            Field("near_duplicate_seconds", kind=Kind.WHOLE),
            Field("default_floor", kind=Kind.MONEY),
            Field("longest_hold_seconds", kind=Kind.WHOLE),
            Field("updated_at", kind=Kind.MOMENT),
            Field("updated_by"),
        ),
        source="billing_policy AS policy WHERE policy.tenant_id = %(tenant)s",
    ),
)
