"""Checks that the columns of rows still hold the facts that their digests cover."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from credits.digests import (
    CONSUMPTION_FACTS,
    GRANT_FACTS,
    HOLD_CLOSE_FACTS,
    HOLD_EXTENSION_FACTS,
    HOLD_FACTS,
    RECURRING_GRANT_FACTS,
    TRANSACTION_FACTS,
    transaction_digest,
)
from kernel.ledger.fact_digests import digest
from kernel.ledger.integrity.digests import DigestCheck


def _grant_digest(row: Mapping[str, Any]) -> bytes:
    return digest({**row, "amount": row["original_amount"], "metric_id": row["metric_id"] or None}, GRANT_FACTS)


def _transaction_digest(row: Mapping[str, Any]) -> bytes:
    return transaction_digest({name: row[name] for name in TRANSACTION_FACTS})


def _close_digest(row: Mapping[str, Any]) -> bytes:
    return digest({**row, "hold": str(row["hold"]), "final": False if row["is_final"] is False else None}, HOLD_CLOSE_FACTS)


def _extension_digest(row: Mapping[str, Any]) -> bytes:
    return digest({**row, "hold": str(row["hold"])}, HOLD_EXTENSION_FACTS)


def _digest_of(facts: Sequence[str]) -> Callable[[Mapping[str, Any]], bytes]:
    """A function for rows whose columns have the facts' names."""
    return lambda row: digest(row, facts)


CHECKS = (
    DigestCheck(
        name="credits_grant_digest",
        rule="A grant's columns match the digest of the facts that it was created with.",
        statement="""
            SELECT tenant_id, id, facts_digest, customer_id, name, unit_type, currency, metric_id, original_amount, cost_of_credit,
                effective_date, expiry_date, category, priority
            FROM credits_grant WHERE recurring_grant_id IS NULL AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=GRANT_FACTS,
        digest_of=_grant_digest,
        only_stated=frozenset({"cost_of_credit", "expiry_date"}),
    ),
    DigestCheck(
        name="credits_transaction_digest",
        rule="A transaction's columns match the digest of the facts that it was posted with.",
        statement="""
            SELECT tenant_id, id, facts_digest, grant_id, type, amount, reason, invoice_id, billing_run_id, reverses_id AS reverses,
                occurred_at
            FROM credits_transaction
            WHERE kind IN ('debit', 'credit', 'reversal') AND facts_digest IS NOT NULL
                AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=TRANSACTION_FACTS,
        digest_of=_transaction_digest,
        only_stated=frozenset({"reason"}),
    ),
    DigestCheck(
        name="credits_consumption_digest",
        rule="A draw's columns match the digest of the facts that it was posted with.",
        statement="""
            SELECT tenant_id, id, facts_digest, customer_id, currency, metric_id, amount, partial, reason, invoice_id, billing_run_id
            FROM credits_consumption WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
        """,
        facts=CONSUMPTION_FACTS,
        digest_of=_digest_of(CONSUMPTION_FACTS),
        only_stated=frozenset({"reason", "invoice_id", "billing_run_id"}),
    ),
    DigestCheck(
        name="credits_hold_digest",
        rule="A hold's columns match the digest of the facts that it was placed with.",
        statement="""
            SELECT tenant_id, id, facts_digest, customer_id, currency, metric_id, amount, reason,
                coalesce((
                    SELECT call.expires_before FROM credits_holdcall call
                    WHERE call.tenant_id = hold.tenant_id AND call.hold_id = hold.id ORDER BY call.created_at, call.expires_at LIMIT 1
                ), expires_at) AS expires_at
            FROM credits_hold hold WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
        """,
        facts=HOLD_FACTS,
        digest_of=_digest_of(HOLD_FACTS),
        only_stated=frozenset({"reason"}),
    ),
    DigestCheck(
        name="credits_hold_close_digest",
        rule="A hold's release matches the digest of the facts that it was made with, and its final capture that of the capture.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.close_digest AS facts_digest, call.amount, call.reason, call.invoice_id,
                call.billing_run_id, call.is_final, hold.id AS hold
            FROM credits_hold hold
            LEFT JOIN credits_holdcall call ON call.tenant_id = hold.tenant_id AND call.hold_id = hold.id AND call.is_final
            WHERE hold.status IN ('captured', 'released') AND hold.close_digest IS NOT NULL
                AND (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s)
        """,
        facts=HOLD_CLOSE_FACTS,
        digest_of=_close_digest,
        only_stated=frozenset({"reason", "invoice_id", "billing_run_id", "final"}),
    ),
    DigestCheck(
        name="credits_hold_capture_digest",
        rule="A capture's columns match the digest of the facts that it was made with.",
        statement="""
            SELECT tenant_id, id, facts_digest, amount, reason, invoice_id, billing_run_id, is_final, hold_id AS hold
            FROM credits_holdcall WHERE kind = 'captured' AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=HOLD_CLOSE_FACTS,
        digest_of=_close_digest,
        only_stated=frozenset({"reason", "invoice_id", "billing_run_id", "final"}),
    ),
    DigestCheck(
        name="credits_hold_extension_digest",
        rule="An extension's columns match the digest of the facts that it was made with.",
        statement="""
            SELECT tenant_id, id, facts_digest, hold_id AS hold, expires_at
            FROM credits_holdcall WHERE kind = 'extended' AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
        """,
        facts=HOLD_EXTENSION_FACTS,
        digest_of=_extension_digest,
        only_stated=frozenset(HOLD_EXTENSION_FACTS),
    ),
    DigestCheck(
        name="credits_recurring_grant_digest",
        rule="A recurring grant's columns match the digest of the facts that it was created with.",
        statement="""
            SELECT tenant_id, id, facts_digest, customer_id, name, unit_type, currency, metric_id, amount, cost_of_credit, category,
                priority, every_months, starts_on, ends_on, rollover_cap
            FROM credits_recurringgrant WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
        """,
        facts=RECURRING_GRANT_FACTS,
        digest_of=_digest_of(RECURRING_GRANT_FACTS),
        only_stated=frozenset({"cost_of_credit", "ends_on", "rollover_cap"}),
    ),
)
