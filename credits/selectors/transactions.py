"""Reading transactions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from credits.models import CreditTransaction
from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import prepared

TRANSACTION_FIELDS = (
    "id",
    "grant_id",
    "customer_id",
    "type",
    "kind",
    "amount",
    "reason",
    "invoice_id",
    "billing_run_id",
    "entry_number",
    "balance_after",
    "cost_basis",
    "reverses_id",
    "consumption_id",
    "hold_id",
    "chosen_by",
    "occurred_at",
    "created_at",
)


def list_transactions(
    *,
    tenant_id: UUID,
    grant_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    **equal: str | None,
) -> "QuerySet[CreditTransaction, dict[str, Any]]":
    """A tenant's transactions. `since` and `until` are book times, both inclusive; `until` comes from past_reads.wait_for_postings_before.

    `equal`: exact values of customer_id, type, kind, invoice_id, billing_run_id; None doesn't filter.
    """
    wanted: dict[str, Any] = {"grant_id": grant_id, "created_at__gte": since, "created_at__lte": until, **equal}
    filters = {name: value for name, value in wanted.items() if value is not None}
    rows: QuerySet[CreditTransaction, dict[str, Any]]
    rows = CreditTransaction.objects.filter(tenant_id=tenant_id, **filters).values(*TRANSACTION_FIELDS)
    return rows


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> dict[str, Any]:
    """One transaction. Raises NotFound."""
    found = _transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        raise NotFound(kind="transaction", id=transaction_id)
    row: dict[str, Any] = found[0]
    return row


@prepared
def _transaction(*, tenant_id: Any, transaction_id: Any) -> "QuerySet[Any, Any]":
    return CreditTransaction.objects.filter(tenant_id=tenant_id, id=transaction_id).order_by().values(*TRANSACTION_FIELDS)
