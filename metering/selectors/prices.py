"""Reads of prices, and of what chooses the price of a transaction. metering/pricing/choosing_prices.py decides which applies."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.db.models import Q, QuerySet, Subquery
from django.db.models.functions import Now

from kernel.ledger.errors import NotFound
from kernel.ledger.prepared_queries import is_one_of, prepared
from kernel.tenants.models import Tenant
from metering.models import Policy, Price, Transaction, UnitPrice
from metering.selectors.rows import RowDict, rows_of

PRICE = (
    *("id", "service_name", "action_name", "resource_name", "currency", "flat_amount", "minimum", "markup", "valid_from", "valid_to"),
    "created_at",
)
UNIT_PRICE = ("fact_key", "amount", "per", "is_optional", "is_package", "tier_mode", "tiers", "part_of")


class PriceTerms(TypedDict):
    """What of a transaction and of the tenant's policy decides the price, by the names of columns."""

    service__name: str
    action_name: str
    resource_name: str
    # The texts of JSON objects.
    qualifiers: str | None
    request_facts: str | None
    occurred_at: datetime
    # Of the policy; None without one.
    reported_costs: str | None
    prices_self_hosted: bool | None


def list_prices(*, tenant_id: UUID, at: datetime | None = None) -> list[RowDict]:
    """The tenant's prices, valid at `at` where that is given, each with its units; two queries."""
    return with_units(rows_of(query_prices(tenant_id=tenant_id, at=at).order_by("-valid_from", "-id")), tenant_id=tenant_id)


def query_prices(*, tenant_id: UUID, at: datetime | None = None, **names: str | None) -> QuerySet[Price, RowDict]:
    """The tenant's prices without their units. `names`: service_name, action_name and resource_name that a price must state; None: any."""
    conditions = Q(tenant_id=tenant_id, **{name: value for name, value in names.items() if value is not None})
    if at is not None:
        conditions &= Q(valid_from__lte=at) & (Q(valid_to__isnull=True) | Q(valid_to__gt=at))
    return Price.objects.filter(conditions).values(*PRICE)


def get_price(*, tenant_id: UUID, price_id: UUID) -> RowDict:
    """One price with its units. Raises NotFound."""
    found = with_units(rows_of(query_prices(tenant_id=tenant_id).filter(id=price_id)), tenant_id=tenant_id)
    if not found:
        raise NotFound(kind="price", id=price_id)
    return found[0]


def with_units(prices: list[RowDict], *, tenant_id: UUID) -> list[RowDict]:
    """Rows of query_prices, each with its units; one query."""
    units: dict[UUID, list[RowDict]] = {price["id"]: [] for price in prices}
    if prices:
        terms = UnitPrice.objects.filter(tenant_id=tenant_id, price_id__in=list(units)).order_by("id")
        for unit in rows_of(terms.values("price_id", *UNIT_PRICE)):
            units[unit["price_id"]].append(unit)
    return [price | {"units": units[price["id"]]} for price in prices]


def list_price_terms(*, tenant_id: UUID, transaction_ids: Iterable[UUID]) -> dict[UUID, PriceTerms]:
    """The columns of transactions by which their prices are chosen, and of the tenant's policy (null without one), by id; one query."""
    return {row["id"]: row for row in _price_terms(tenant_id=tenant_id, transaction_ids=list(transaction_ids))}


@prepared
def _price_terms(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    policy = Policy.objects.filter(tenant_id=tenant_id)
    found = Transaction.objects.filter(is_one_of("id", transaction_ids), tenant_id=tenant_id).order_by()
    columns = ("id", "service__name", "action_name", "resource_name", "qualifiers", "request_facts", "occurred_at")
    return found.values(*columns, **{name: Subquery(policy.values(name)) for name in ("reported_costs", "prices_self_hosted")})


def get_pricing_policy(*, tenant_id: UUID) -> RowDict:
    """What of a tenant's policy decides prices (null without a policy), and the database's time as `now`; one query."""
    policy = Policy.objects.filter(tenant_id=tenant_id)
    columns = {name: Subquery(policy.values(name)) for name in ("reported_costs", "prices_self_hosted")}
    return rows_of(Tenant.objects.filter(id=tenant_id).values(**columns, now=Now()))[0]
