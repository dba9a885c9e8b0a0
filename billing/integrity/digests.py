"""The check that an entry's facts are those that its digest was made of."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from billing.digests import (
    CAPTURE_FACTS,
    FACTS,
    HOLD_CALL_FACTS,
    HOLD_FACTS,
    capture_digest,
    facts_digest,
    hold_call_digest,
    hold_digest,
    recorded_facts,
)
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
    DigestCheck(
        name="billing_hold_digest",
        rule="A hold's facts are those that its digest was made of when it was placed.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.facts_digest, hold.currency, hold.amount, placed.expires_at, hold.reason,
                hold.allow_overdraft
            FROM billing_wallethold hold
            JOIN billing_walletholdentry placed
                ON placed.tenant_id = hold.tenant_id AND placed.hold_id = hold.id AND placed.kind = 'placed'
            WHERE %(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s
        """,
        facts=HOLD_FACTS,
        digest_of=hold_digest,
        only_stated=frozenset({"amount", "expires_at", "reason", "allow_overdraft"}),
    ),
    DigestCheck(
        name="billing_hold_capture_digest",
        rule="A capture's facts are those that its digest was made of.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.facts_digest, entry.amount, entry.hold_id AS hold, entry.is_final AS final,
                debit.agent_id, debit.description, debit.metadata::text
            FROM billing_walletholdentry entry
            JOIN billing_transaction debit ON debit.tenant_id = entry.tenant_id AND debit.id = entry.transaction_id
            WHERE entry.kind = 'captured' AND (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s)
                -- No caller stated what the hold of a payment for a metered transaction captures; paying compares it with the payment.
                AND NOT (debit.reference_id LIKE 'payment:%%' AND entry.facts_digest = decode(billing_no_facts_digest(), 'hex'))
        """,
        facts=CAPTURE_FACTS,
        digest_of=capture_digest,
        only_stated=frozenset({"agent_id", "description", "metadata", "hold", "final"}),
    ),
    DigestCheck(
        name="billing_hold_call_digest",
        rule="The facts of a release or an extension are those that its digest was made of.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.facts_digest, entry.hold_id AS hold, entry.reason,
                CASE entry.kind WHEN 'extended' THEN entry.expires_at END AS expires_at
            FROM billing_walletholdentry entry
            WHERE entry.kind IN ('extended', 'released') AND entry.facts_digest IS NOT NULL
                AND (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s)
        """,
        facts=HOLD_CALL_FACTS,
        digest_of=hold_call_digest,
        only_stated=frozenset({"hold", "expires_at", "reason"}),
    ),
)
