"""A wallet's entries as its backfill reads them back."""

from kernel.ledger.exporting import Export, amount, digest, moment

EXPORTS = (
    Export(
        name="billing-transactions",
        says="every entry of every wallet",
        command="backfill_billing_transactions",
        json_columns=frozenset({"metadata"}),
        statement=f"""
            SELECT entry.id::text, entry.reference_id, entry.type, {amount("entry.amount")} AS amount, entry.currency,
                {moment("entry.occurred_at")} AS occurred_at, entry.agent_id, entry.description, entry.metadata,
                original.reference_id AS reverses, nullif(entry.reason_code, '') AS reason_code, nullif(entry.reason, '') AS reason,
                {digest("entry.facts_digest")} AS facts_digest, entry.direction, {amount("entry.effect")} AS effect,
                entry.entry_number::text, {amount("entry.balance_after")} AS balance_after, array_to_string(entry.flags, ' ') AS flags,
                {moment("entry.created_at")} AS created_at, entry.actor, entry.request_id
            FROM billing_transaction entry
            LEFT JOIN billing_transaction original ON original.tenant_id = entry.tenant_id AND original.id = entry.reverses_id
            WHERE entry.tenant_id = %(tenant)s
            ORDER BY entry.wallet_id, entry.entry_number
        """,  # noqa: S608 - made of constants
    ),
)
