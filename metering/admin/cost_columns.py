"""What a call costs, as columns of a file of calls."""

from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Case, Max, Min, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from kernel.ledger.money import MoneyField
from metering.models import Cost


def _of_call(**wanted: Any) -> Subquery:
    """An aggregate of the active costs of a call; null for a call without one."""
    costs = Cost.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("id"), is_active=True).order_by()
    [name] = wanted
    return Subquery(costs.values("transaction_id").annotate(least=Min("fiat_asset_symbol"), **wanted).values(name))


def _in_one_currency(total: Any) -> Case:
    """The sum of costs in one currency; null for costs in several, which have no sum."""
    return Case(When(least=Max("fiat_asset_symbol"), then=total), output_field=MoneyField())


ESTIMATED = Coalesce(Sum("fiat_amount", filter=Q(is_estimate=True)), Value(0), output_field=MoneyField())
# With costs in several currencies the amounts are empty, and `cost_currency` names all of them: the file of costs has each.
COST_COLUMNS: dict[str, Any] = {
    "cost": _of_call(cost=_in_one_currency(Sum("fiat_amount"))),
    "cost_estimated": _of_call(cost_estimated=_in_one_currency(ESTIMATED)),
    "cost_currency": _of_call(cost_currency=StringAgg("fiat_asset_symbol", ", ", distinct=True)),
}
