"""The check that an entry's facts are those its digest was made of."""

from collections.abc import Mapping
from typing import Any

from billing.services import import_digest
from billing.services.transactions import FACTS
from kernel.ledger.integrity.digests import DigestCheck


def _digest_of(row: Mapping[str, Any]) -> bytes:
    # What is taken back is told as a magnitude, and kept with the sign of its original.
    amount = row["amount"] if row["reverses"] is None else abs(row["amount"])
    return import_digest({**row, "amount": amount})


CHECKS = (
    DigestCheck(
        name="billing_digest",
        rule="An entry's facts are those that its digest was made of when it was recorded.",
        statement="""
            SELECT tenant_id, id, facts_digest, amount, agent_id, description, currency, occurred_at, metadata, reverses_id AS reverses,
                reason_code, reason
            FROM billing_transaction WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
        """,
        facts=FACTS,
        digest_of=_digest_of,
    ),
)
