"""Reads of costs."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.models import Cost
from metering.selectors.rows import RowDict, check_exists

COST = (
    "id",
    "transaction_id",
    "tenant_id",
    "fiat_amount",
    "fiat_asset_symbol",
    "is_estimate",
    "is_active",
    "supersedes_id",
    "superseded_at",
    "superseded_by_id",
    "inferred_from_id",
    "cost_details",
    "occurred_at",
    "created_at",
    "payment_id",
)
CHANGED_AT = Coalesce("superseded_at", "created_at")


@prepared
def costs_of(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    found = Cost.objects.filter(is_one_of("transaction_id", transaction_ids), tenant_id=tenant_id)
    return found.order_by("created_at", "id").values(*COST, updated_at=CHANGED_AT)


def list_costs(*, tenant_id: UUID, transaction_id: UUID) -> list[RowDict]:
    """All costs of a transaction, superseded ones too, oldest first. Raises NotFound."""
    found = costs_of(tenant_id=tenant_id, transaction_ids=[transaction_id])
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


def get_costs(*, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, RowDict]:
    """The costs of these ids that there are, by id, with the columns of COST, and `updated_at`: when a cost was superseded, else made."""
    return {cost["id"]: cost for cost in _costs(tenant_id=tenant_id, ids=list(ids))}


@prepared
def _costs(*, tenant_id: Any, ids: Any) -> QuerySet[Any, Any]:
    return Cost.objects.filter(is_one_of("id", ids), tenant_id=tenant_id).order_by().values(*COST, updated_at=CHANGED_AT)


def get_cost(*, tenant_id: UUID, cost_id: UUID) -> RowDict:
    """One cost, as get_costs has it. Raises NotFound."""
    found = list(get_costs(tenant_id=tenant_id, ids=[cost_id]).values())
    if not found:
        raise NotFound(kind="cost", id=cost_id)
    return found[0]


def list_superseded(*, tenant_id: UUID, cost_ids: Iterable[UUID]) -> dict[UUID, list[RowDict]]:
    """The costs that each of these took the place of, by the newer cost: id and fiat_amount; one query."""
    superseded: dict[UUID, list[RowDict]] = {}
    for cost in _superseded(tenant_id=tenant_id, cost_ids=list(cost_ids)):
        superseded.setdefault(cost["superseded_by_id"], []).append(cost)
    return superseded


@prepared
def _superseded(*, tenant_id: Any, cost_ids: Any) -> QuerySet[Any, Any]:
    newer = Cost.objects.filter(is_one_of("id", cost_ids), tenant_id=tenant_id).values("transaction_id")
    found = Cost.objects.filter(is_one_of("superseded_by_id", cost_ids), tenant_id=tenant_id, transaction_id__in=newer)
    return found.order_by("created_at", "id").values("id", "fiat_amount", "superseded_by_id")


def total_active(costs: Iterable[Mapping[str, Any]], *, currency: str) -> Decimal:
    """The sum of the active costs in one currency, estimates included."""
    return sum((cost["fiat_amount"] for cost in costs if cost["is_active"] and cost["fiat_asset_symbol"] == currency), Decimal(0))
