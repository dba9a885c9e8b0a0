"""Grants and their transactions as their backfills read them back."""

from kernel.ledger.exporting import Export, amount, digest, moment

EXPORTS = (
    Export(
        name="credit-grants",
        says="every grant, deleted ones too",
        command="backfill_credit_grants",
        statement=f"""
            SELECT id::text, idempotency_key, customer_id, name, unit_type, currency, nullif(metric_id, '') AS metric_id,
                {amount("original_amount")} AS amount, {amount("cost_of_credit")} AS cost_of_credit, effective_date::text,
                expiry_date::text,
                category, priority::text, {digest("facts_digest")} AS facts_digest, {amount("balance")} AS balance,
                {amount("held")} AS held, status, {moment("occurred_at")} AS occurred_at, {moment("created_at")} AS created_at, actor,
                request_id
            FROM credits_grant WHERE tenant_id = %(tenant)s ORDER BY created_at, id
        """,  # noqa: S608 - made of constants
    ),
    Export(
        name="credit-transactions",
        says="every transaction on every grant, but the opening ones, which come with the grants",
        command="backfill_credit_transactions",
        json_columns=frozenset({"chosen_by"}),
        statement=f"""
            SELECT id::text, idempotency_key, grant_id::text, type, kind, {amount("amount")} AS amount,
                {moment("occurred_at")} AS occurred_at, nullif(reason, '') AS reason, nullif(invoice_id, '') AS invoice_id,
                nullif(billing_run_id, '') AS billing_run_id, reverses_id::text AS reverses, chosen_by::text,
                {digest("facts_digest")} AS facts_digest, customer_id, entry_number::text, {amount("balance_after")} AS balance_after,
                {amount("cost_basis")} AS cost_basis, consumption_id::text, hold_id::text, {moment("created_at")} AS created_at, actor,
                request_id
            FROM credits_transaction WHERE tenant_id = %(tenant)s AND kind <> 'opening' ORDER BY created_at, grant_id, entry_number
        """,  # noqa: S608 - made of constants
    ),
)
