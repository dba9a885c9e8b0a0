"""The dashboard: figures of today, a week and a month, and alerts.

The figures come from sums that the ledgers update with each posting, and from sums of past days, so that the page costs the same however
many entries there are. Days are UTC days.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Case, F, Q, Sum, When
from django.http import HttpRequest
from django.utils import timezone

from backoffice import alerts, credit_days
from backoffice.models import CreditDay
from billing.models import DailyTotal
from credits.choices import GrantStatus, UnitType
from credits.models import Grant
from kernel.ledger.admin.formatting import money, page_of
from kernel.ledger.money import with_thousands
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants, scope_of
from metering.choices import Grain
from metering.models import Rollup
from metering.rules.admin.panels import used_bar
from metering.rules.choices import Measurement, RuleStatus
from metering.rules.models import SpendingRule
from metering.rules.selectors.tightest import get_tightest

SPANS = {"Today": 1, "7 days": 7, "30 days": 30}
# Currencies and metrics shown in one figure.
MAX_UNITS = 4
MAX_LEADERS = 8
# Seconds for which figures are cached. Alerts are always read anew.
CACHE_SECONDS = 30

Sums = dict[str, Decimal]


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """The template context, for the tenants that the user may see."""
    scope = scope_of(request.user)
    today = timezone.now().astimezone(UTC).date()
    key = f"dashboard:{today}:{'all' if scope.tenant_ids is None else sorted(map(str, scope.tenant_ids))}"
    figures = cache.get(key)
    if figures is None:
        figures = _figures(scope, today)
        if not figures["unsummed"]:
            cache.set(key, figures, CACHE_SECONDS)
    return {**figures, "alerts": alerts.list_alerts(request, scope)}


def _figures(scope: VisibleTenants, today: date) -> dict[str, Any]:
    since = today - timedelta(days=credit_days.DAYS - 1)
    tenants = _tenants(scope)
    billed = list(
        DailyTotal.objects.filter(tenant__in=tenants, day__gte=since).values("day", "currency").order_by().annotate(total=Sum("debits"))
    )
    costs = _costs(tenants, since=since)
    credit, unsummed = credit_days.by_day(since=since, today=today, tenant_ids=scope.tenant_ids)
    spans = {name: today - timedelta(days=days - 1) for name, days in SPANS.items()}
    rows = [
        ("Billed", [_amounts(_sum(billed, since=first, unit="currency", amount="total")) for first in spans.values()]),
        ("Metered cost, actual", [_amounts(_sum(costs, since=first, unit="currency", amount="actual")) for first in spans.values()]),
        ("Metered cost, estimated", [_amounts(_sum(costs, since=first, unit="currency", amount="estimated")) for first in spans.values()]),
        ("Credit granted", [_amounts(credit_days.total(credit, measure="granted", since=first)) for first in spans.values()]),
        ("Credit consumed", [_amounts(credit_days.total(credit, measure="consumed", since=first)) for first in spans.values()]),
    ]
    return {
        "spans": list(SPANS),
        "figures": rows,
        "outstanding": _outstanding(tenants, today),
        "rules": _rules(tenants, today),
        "charts": _charts(billed, costs, credit, tenants, since=since, today=today),
        "unsummed": unsummed,
        "is_empty": not (billed or costs or credit),
    }


def _tenants(scope: VisibleTenants) -> Any:
    """The ids of the tenants. Every query names them, because every index begins with the tenant."""
    return scope.limit(Tenant.objects.all()).order_by().values("id")


def _costs(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    sums = (
        Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at__gte=_midnight(since))
        .values("starts_at", "currency", "service__name")
        .order_by()
        .annotate(amount=Sum("amount"), estimated=Sum("estimated"))
    )
    return [{**row, "day": row["starts_at"].astimezone(UTC).date(), "actual": row["amount"] - row["estimated"]} for row in sums]


def _outstanding(tenants: Any, today: date) -> list[tuple[str, Any, str]]:
    """Outstanding credit, and the part of it that expires within 30 days."""
    unit = Case(When(unit_type=UnitType.METRIC, then=F("metric_id")), default=F("currency"))
    soon = Q(expiry_date__gte=today, expiry_date__lte=today + timedelta(days=30))
    sums = (
        Grant.objects.filter(tenant__in=tenants, status=GrantStatus.OPEN, balance__gt=0)
        .exclude(expiry_date__lt=today)
        .annotate(unit=unit)
        .values("unit")
        .order_by()
        .annotate(total=Sum("balance"), expiring=Sum("balance", filter=soon, default=Decimal(0)))
    )
    rows = list(sums)
    return [
        ("Outstanding credit", _amounts({row["unit"]: row["total"] for row in rows}), "what customers can still draw on"),
        ("Expiring within 30 days", _amounts({row["unit"]: row["expiring"] for row in rows}), "part of the outstanding credit"),
    ]


def _rules(tenants: Any, today: date) -> dict[str, Any] | None:
    """Calls denied today, and the spending rule of which most is used; None without any rule in force."""
    if not SpendingRule.objects.filter(tenant__in=tenants, status=RuleStatus.ACTIVE).exists():
        return None
    days = Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at=_midnight(today))
    tightest = get_tightest(tenant_ids=list(Tenant.objects.filter(id__in=tenants).values_list("id", flat=True)))
    if tightest is not None:
        unit = "" if tightest["measurement_type"] == Measurement.COUNT_TRANSACTIONS else tightest["currency"]
        tightest |= {
            "url": page_of("rules.spendingrule", tightest["rule_id"]),
            "used_text": f"{with_thousands(tightest['used'], unit)} of {with_thousands(tightest['limit_value'], unit)} {unit}".strip(),
            "bar": used_bar(tightest["used"], tightest["limit_value"]),
        }
    return {"denied": days.aggregate(total=Sum("denied"))["total"] or 0, "tightest": tightest}


def _sum(rows: Iterable[Mapping[str, Any]], *, since: date, unit: str, amount: str) -> Sums:
    sums: Sums = {}
    for row in rows:
        if row["day"] >= since and row[amount]:
            sums[row[unit]] = sums.get(row[unit], Decimal(0)) + row[amount]
    return sums


def _amounts(sums: Sums) -> list[Any]:
    """The largest sums as formatted amounts."""
    largest = sorted(((unit, amount) for unit, amount in sums.items() if amount), key=lambda pair: -abs(pair[1]))
    return [money(amount, unit) for unit, amount in largest[:MAX_UNITS]]


def _charts(
    billed: Sequence[Any],
    costs: Sequence[Any],
    credit: Iterable[Mapping[str, Any]],
    tenants: Any,
    *,
    since: date,
    today: date,
) -> list[dict[str, Any]]:
    """Each chart is in the unit with the largest sum. Amounts in a chart may be rounded."""
    days = [since + timedelta(days=number) for number in range((today - since).days + 1)]
    consumed = [row for row in credit if row["measure"] == CreditDay.Measure.CONSUMED]
    totals = [row for row in consumed if not row["customer_id"]]
    customers = [row for row in consumed if row["customer_id"]]
    return [
        _by_day("Billed by day", billed, days, unit="currency", amount="total"),
        _by_day("Credit consumed by day", totals, days, unit="unit", amount="amount"),
        _by_day("Metered cost by day", costs, days, unit="currency", amount="amount"),
        _leaders("Metered cost by service", costs, name="service__name", unit="currency", amount="amount"),
        _leaders("Top agents by metered cost", _agents(tenants, since=since), name="agent__name", unit="currency", amount="amount"),
        _leaders("Top customers by credit consumed", customers, name="customer_id", unit="unit", amount="amount"),
    ]


def _agents(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    sums = (
        Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at__gte=_midnight(since), agent__isnull=False)
        .values("agent__name", "currency")
        .order_by()
        .annotate(amount=Sum("amount"))
    )
    return [dict(row) for row in sums]


def _by_day(title: str, rows: Sequence[Any], days: list[date], *, unit: str, amount: str) -> dict[str, Any]:
    chosen = _main_unit(rows, unit=unit, amount=amount)
    sums: dict[date, Decimal] = {}
    for row in rows:
        if row[unit] == chosen:
            sums[row["day"]] = sums.get(row["day"], Decimal(0)) + row[amount]
    labels = [f"{day:%d %b}" for day in days]
    return _chart(title, chosen, labels, [sums.get(day, Decimal(0)) for day in days], kind="bar")


def _leaders(title: str, rows: Sequence[Any], *, name: str, unit: str, amount: str) -> dict[str, Any]:
    chosen = _main_unit(rows, unit=unit, amount=amount)
    sums: Sums = {}
    for row in rows:
        if row[unit] == chosen:
            sums[row[name]] = sums.get(row[name], Decimal(0)) + row[amount]
    first = sorted(((label, total) for label, total in sums.items() if total > 0), key=lambda pair: -pair[1])[:MAX_LEADERS]
    return _chart(title, chosen, [label for label, _ in first], [total for _, total in first], kind="leaders")


def _main_unit(rows: Sequence[Any], *, unit: str, amount: str) -> str:
    sums: Sums = {}
    for row in rows:
        sums[row[unit]] = sums.get(row[unit], Decimal(0)) + abs(row[amount])
    return max(sums, key=lambda name: sums[name]) if any(sums.values()) else ""


def _chart(title: str, unit: str, labels: list[str], values: list[Decimal], *, kind: str) -> dict[str, Any]:
    most = max(values, default=Decimal(0))
    data = {"labels": labels, "datasets": [{"label": unit, "data": [float(value) for value in values], "backgroundColor": "#0f766e"}]}
    # Bars without a script: widths in whole per cent.
    bars = [
        {"label": label, "amount": money(value, unit), "width": int(value * 100 / most) if most else 0}
        for label, value in zip(labels, values, strict=True)
    ]
    return {"title": title, "unit": unit, "kind": kind, "data": json.dumps(data), "bars": bars, "is_empty": not unit}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
