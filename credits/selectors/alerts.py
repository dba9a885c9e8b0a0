"""Reads of the balances below which customers are low."""

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db.models import Case, CharField, F, Value, When

from credits.choices import BalanceType
from credits.models import BalanceAlert

if TYPE_CHECKING:
    from django.db.models import QuerySet


def list_balance_alerts(*, tenant_id: UUID, customer_id: str) -> "QuerySet[Any, dict[str, Any]]":
    """A customer's alerts: `id` is the row's, `unit` the currency or the metric."""
    of_currency = When(metric_id="", then=F("currency"))
    rows: Any = (
        BalanceAlert.objects.filter(tenant_id=tenant_id, customer_id=customer_id)
        .annotate(
            unit=Case(of_currency, default=F("metric_id"), output_field=CharField()),
            type=Case(When(metric_id="", then=Value(BalanceType.CASH)), default=Value(BalanceType.USAGE), output_field=CharField()),
        )
        .values("id", "customer_id", "unit", "type", "alert_below", "is_low", "updated_at")
    )
    return cast("QuerySet[Any, dict[str, Any]]", rows)
