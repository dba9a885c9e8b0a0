"""The check that an entry's facts are those that its digest was made of."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from billing.digests import FACTS, facts_digest, recorded_facts
from kernel.ledger.integrity.digests import DigestCheck


def _digest_of(row: Mapping[str, Any]) -> bytes:
    return facts_digest(recorded_facts(SimpleNamespace(**row)))


CHECKS = (
    DigestCheck(
        name="billing_digest",
        rule="An entry's facts are those that its digest was made of when it was recorded.",
        statement="""
            SELECT tenant_id, id, facts_digest, amount, agent_id, description, currency, occurred_at, metadata::text, reverses_id,
                reason_code, reason
            FROM billing_transaction WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
        """,
        facts=FACTS,
        digest_of=_digest_of,
        only_stated=frozenset({"agent_id", "description", "metadata", "reverses", "reason_code", "reason"}),
    ),
)
