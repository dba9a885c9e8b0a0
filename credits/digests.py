"""Which facts of each call make its digest, in the order in which the digest has them (kernel/ledger/idempotency.py).

A ledger that learns a new fact appends it. Each row keeps the digest of the facts that its caller gave; integrity checks compare it with
the facts that the row holds.
"""

from collections.abc import Mapping
from typing import Any

from kernel.ledger.idempotency import digest

GRANT_FACTS = (
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "amount",
    "cost_of_credit",
    "effective_date",
    "expiry_date",
    "category",
    "priority",
)
TRANSACTION_FACTS = ("grant_id", "type", "amount", "reason", "invoice_id", "billing_run_id", "reverses", "occurred_at")
CONSUMPTION_FACTS = ("customer_id", "currency", "metric_id", "amount", "partial", "reason", "invoice_id", "billing_run_id")
HOLD_FACTS = ("customer_id", "currency", "metric_id", "amount", "expires_at", "reason")
HOLD_CLOSE_FACTS = ("amount", "reason", "invoice_id", "billing_run_id")
SCHEDULE_FACTS = (
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "amount",
    "cost_of_credit",
    "category",
    "priority",
    "every_months",
    "starts_on",
    "ends_on",
    "rollover_cap",
)


def transaction_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a transaction's facts. Without a grant it is one that lacks its first fact."""
    return digest({**facts, "grant_id": str(facts["grant_id"])} if "grant_id" in facts else facts, TRANSACTION_FACTS)
