"""Reads of entries: lists, single entries, and sums of an agent's entries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from billing.models import Transaction
from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import prepared

# A queryset of mappings, made by values().
Rows: TypeAlias = "QuerySet[Any, dict[str, Any]]"

# The columns of an entry in a reply: the same names as a posting's row has.
TRANSACTION_FIELDS = (
    "id",
    "amount",
    "type",
    "direction",
    "reference_id",
    "agent_id",
    "description",
    "currency",
    "effect",
    "balance_after",
    "entry_number",
    "occurred_at",
    "created_at",
    "metadata",
    "reverses_id",
    "reversed_by_id",
    "reversed_amount",
    "reason_code",
    "reason",
    "flags",
    "near_duplicate_of_id",
)
# The filters of a list, each with its look-up.
FILTERS = {
    "type": "type",
    "reference_id": "reference_id",
    "agent_id": "agent_id",
    "currency": "currency",
    "amount_min": "amount__gte",
    "amount_max": "amount__lte",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
    "occurred_from": "occurred_at__gte",
    "occurred_to": "occurred_at__lt",
}


def list_transactions(*, tenant_id: UUID, filters: Mapping[str, Any] | None = None, final_until: datetime | None = None) -> Rows:
    """The tenant's entries as rows of TRANSACTION_FIELDS. `filters`: by the names in FILTERS; periods end before `_to`.

    `final_until`: leave out what was booked after this moment (past_reads.wait_for_postings_before), so that the answer doesn't change.
    """
    lookups = {FILTERS[name]: value for name, value in (filters or {}).items() if value is not None}
    if final_until is not None:
        lookups["created_at__lte"] = final_until
    rows: Rows = Transaction.objects.filter(tenant_id=tenant_id, **lookups).values(*TRANSACTION_FIELDS)
    return rows


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> dict[str, Any]:
    """One entry as a row of TRANSACTION_FIELDS. Raises NotFound."""
    found = _transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        raise NotFound(kind="transaction", id=transaction_id)
    row: dict[str, Any] = found[0]
    return row


@prepared
def _transaction(*, tenant_id: Any, transaction_id: Any) -> Rows:
    return list_transactions(tenant_id=tenant_id).filter(id=transaction_id).order_by()


def list_agent_totals(
    *, tenant_id: UUID, agent_id: str, since: datetime | None = None, until: datetime | None = None, final_until: datetime | None = None
) -> list[dict[str, Any]]:
    """Sums of an agent's entries that were booked from `since` up to but not at `until`, by currency and type.

    A reversal counts for the agent of its original. `final_until` as in list_transactions.
    """
    bounds = {"created_at__gte": since, "created_at__lt": until, "created_at__lte": final_until}
    period = {name: moment for name, moment in bounds.items() if moment is not None}
    entries = Transaction.objects.filter(tenant_id=tenant_id, agent_id=agent_id, **period)
    rows: Any = (
        entries.values("currency", "type")
        .annotate(
            entries=Count("id"),
            credits=Sum("effect", filter=Q(effect__gt=0), default=0),
            debits=-Sum("effect", filter=Q(effect__lt=0), default=0),
            net=Sum("effect"),
            first_at=Min("created_at"),
            last_at=Max("created_at"),
        )
        .order_by("currency", "type")
    )
    return list(rows)
