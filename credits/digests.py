"""The facts of each call that its digest covers, in the order of the digest (kernel/ledger/fact_digests.py).

New facts are appended, never inserted, so that older digests stay comparable. Each row stores the digest of the facts that its caller sent;
integrity checks compare it with the facts in the row's columns.
"""

from collections.abc import Mapping
from typing import Any

from kernel.ledger.fact_digests import digest

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
# `hold` only where the call has a key: without one it is compared with the calls on the same hold.
HOLD_CLOSE_FACTS = ("amount", "reason", "invoice_id", "billing_run_id", "final", "hold")
HOLD_EXTENSION_FACTS = ("hold", "expires_at")
RECURRING_GRANT_FACTS = (
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
    """The digest of a transaction's facts. If `facts` has no grant_id, the digest lacks the part of its first fact (see `digest_on`)."""
    return digest({**facts, "grant_id": str(facts["grant_id"])} if "grant_id" in facts else facts, TRANSACTION_FACTS)
