"""The check that a grant's and a transaction's facts are those their digests were made of."""

from collections.abc import Mapping
from typing import Any

from credits.digests import GRANT_FACTS, TRANSACTION_FACTS, transaction_digest
from kernel.ledger.idempotency import digest
from kernel.ledger.integrity.digests import DigestCheck


def _grant_digest(row: Mapping[str, Any]) -> bytes:
    return digest({**row, "amount": row["original_amount"], "metric_id": row["metric_id"] or None}, GRANT_FACTS)


def _transaction_digest(row: Mapping[str, Any]) -> bytes:
    return transaction_digest({name: row[name] for name in TRANSACTION_FACTS})


CHECKS = (
    DigestCheck(
        name="credits_grant_digest",
        rule="A grant's facts are those that its digest was made of when it was granted.",
        statement="""
            SELECT tenant_id, id, facts_digest, customer_id, name, unit_type, currency, metric_id, original_amount, cost_of_credit,
                effective_date, expiry_date, category, priority
            FROM credits_grant WHERE schedule_id IS NULL AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=GRANT_FACTS,
        digest_of=_grant_digest,
    ),
    DigestCheck(
        name="credits_transaction_digest",
        rule="A transaction's facts are those that its digest was made of when it was posted.",
        statement="""
            SELECT tenant_id, id, facts_digest, grant_id, type, amount, reason, invoice_id, billing_run_id, reverses_id AS reverses,
                occurred_at
            FROM credits_transaction
            WHERE kind IN ('debit', 'credit', 'reversal') AND facts_digest IS NOT NULL
                AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=TRANSACTION_FACTS,
        digest_of=_transaction_digest,
    ),
)
