"""Costs that were computed from facts, with all that their price depends on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery

from metering.models import Cost, Policy
from metering.selectors.rows import RowDict, rows_of

COLUMNS = (
    "id",
    "tenant_id",
    "transaction_id",
    "fiat_amount",
    "fiat_asset_symbol",
    "is_estimate",
    "inferred_from_id",
)
TERMS = {
    "facts": F("inferred_from__facts"),
    "phase": F("inferred_from__phase"),
    "service__name": F("transaction__service__name"),
    "action_name": F("transaction__action_name"),
    "resource_name": F("transaction__resource_name"),
    "qualifiers": F("transaction__qualifiers"),
    "request_facts": F("transaction__request_facts"),
    "occurred_at": F("transaction__occurred_at"),
    "reported_costs": Subquery(Policy.objects.filter(tenant_id=OuterRef("tenant_id")).values("reported_costs")),
    "prices_self_hosted": Subquery(Policy.objects.filter(tenant_id=OuterRef("tenant_id")).values("prices_self_hosted")),
}


def list_inferred_costs(
    *,
    tenant_id: UUID | None,
    service: str | None,
    since: datetime | None,
    until: datetime | None,
    after_id: UUID | None,
    limit: int,
) -> list[RowDict]:
    """Active costs that facts were turned into, with all that their price depends on; in the order of ids, beyond `after_id`.

    `since` (included) and `until` (excluded) are the world time of the transactions.
    """
    conditions = Q(is_active=True, inferred_from__isnull=False)
    asked: dict[str, Any] = {
        "tenant_id": tenant_id,
        "transaction__service__name": service,
        "transaction__occurred_at__gte": since,
        "transaction__occurred_at__lt": until,
        "id__gt": after_id,
    }
    conditions &= Q(**{name: value for name, value in asked.items() if value is not None})
    found = Cost.objects.filter(conditions).order_by("id")
    return [_without_prefix(row) for row in rows_of(found.values(*COLUMNS, **{f"of_{name}": path for name, path in TERMS.items()})[:limit])]


def _without_prefix(row: RowDict) -> RowDict:
    """The names that pricing uses. Django refuses an annotation that is named like a column, hence the prefix."""
    return {name.removeprefix("of_"): value for name, value in row.items()}


def list_repriced_costs(*, run: UUID, after_id: UUID | None, limit: int) -> list[RowDict]:
    """The active costs that a run posted, each with what it superseded."""
    conditions = Q(repricing=run, is_active=True, supersedes__isnull=False)
    if after_id is not None:
        conditions &= Q(id__gt=after_id)
    before = {
        "old_amount": F("supersedes__fiat_amount"),
        "old_currency": F("supersedes__fiat_asset_symbol"),
        "old_is_estimate": F("supersedes__is_estimate"),
        "old_details": F("supersedes__cost_details"),
        "of_occurred_at": F("transaction__occurred_at"),
    }
    return [_without_prefix(row) for row in rows_of(Cost.objects.filter(conditions).order_by("id").values(*COLUMNS, **before)[:limit])]


def has_run(*, run: UUID) -> bool:
    """Whether a re-pricing of this id ever posted a cost."""
    return Cost.objects.filter(repricing=run).exists()
