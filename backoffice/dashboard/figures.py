"""The dashboard's figures of today, a week and a month by either clock.

The page costs the same however many entries there are: figures come from sums. Days are UTC days.

- Credits by both clocks, billing by book time: `day_sums` (past days are stored, today is summed from its entries).
- Billing by world time: `DailyTotal`, which billing's postings update, and the reversals.
- Metered costs by world time: `Rollup`, which metering's postings update; by book time: `UsageSum`, which a job counts.
- Outstanding, held and expiring credit: the open grants and holds themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Sum, When
from django.db.models.functions import Greatest, TruncDate

from backoffice.dashboard import day_sums
from backoffice.dashboard.charts import draw_charts
from backoffice.dashboard.day_sums import FigureName
from backoffice.dashboard.figure_rows import EXPIRES_SOON, EXPIRING_SOON, OUTSTANDING
from billing.choices import ADJUSTMENT
from billing.models import DailyTotal, Transaction
from credits.choices import UnitType
from credits.models import Grant, Hold
from kernel.ledger.admin.figures import figure_url
from kernel.ledger.admin.formatting import link, money, page_of
from kernel.ledger.clocks import Clock
from kernel.ledger.holds import OPEN
from kernel.ledger.moments import midnight
from kernel.ledger.money import ZERO, with_thousands
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants, query_tenant_ids
from metering.choices import Grain, SumClock, SumGrain
from metering.models import Rollup, UsageSum
from metering.rules.admin.panels import used_bar
from metering.rules.choices import Measurement, RuleStatus
from metering.rules.models import SpendingRule
from metering.rules.selectors.tightest import get_tightest

SPANS = {"Today": 1, "7 days": 7, "30 days": 30}
# Currencies and metrics shown in one figure.
MAX_UNITS = 4

Sums = dict[str, Decimal]


def sum_figures(scope: VisibleTenants, today: date, clock: Clock) -> dict[str, Any]:
    """The figures and charts of the tenants, each with the ledger that it is about."""
    since = today - timedelta(days=day_sums.DAYS - 1)
    tenants = query_tenant_ids(scope)
    sums, unsummed = day_sums.by_day(since=since, today=today, tenant_ids=scope.tenant_ids)
    happened = _costs(tenants, since=since)
    costs = happened if clock == Clock.WORLD else _recorded_costs(tenants, since=since)
    if clock == Clock.WORLD:
        billed, adjusted = _billed(tenants, since=since), _adjusted(tenants, since=since)
    else:
        billed, adjusted = (_of_figure(sums, figure) for figure in (FigureName.BILLED, FigureName.WALLET_ADJUSTED))
    spans = [today - timedelta(days=days - 1) for days in SPANS.values()]

    def line(rows: Sequence[Any], amount: str, *figure: str) -> list[Any]:
        return [_amounts(_sum(rows, since=first, unit="currency", amount=amount), *figure, clock=clock, since=first) for first in spans]

    def credit(figure: str) -> list[Any]:
        totals = ((first, day_sums.total(sums, figure=figure, since=first, clock=clock)) for first in spans)
        return [_amounts(total, "credits.credittransaction", figure, clock=clock, since=first) for first, total in totals]

    return {
        "spans": list(SPANS),
        "figures": [
            ("billing", "Billed", line(billed, "total", "billing.transaction", "billed")),
            ("billing", "Wallets adjusted", line(adjusted, "total", "billing.transaction", "adjusted")),
            ("metering", "Metered cost, actual", line(costs, "actual", "metering.cost", "actual")),
            ("metering", "Metered cost, estimated", line(costs, "estimated", "metering.cost", "estimated")),
            ("credits", "Credit granted", credit(FigureName.GRANTED)),
            ("credits", "Credit consumed", credit(FigureName.CONSUMED)),
            ("credits", "Credit adjusted", credit(FigureName.CREDIT_ADJUSTED)),
        ],
        "outstanding": _outstanding(tenants),
        "rules": _rules(tenants, today),
        "charts": draw_charts(billed, costs, happened, sums, tenants, since=since, today=today, clock=clock),
        "unsummed": unsummed,
        "is_empty": not (billed or costs or sums),
    }


def _billed(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    """By day of world time: the debits of the daily totals, and of each reversal what it bills less what it counts there."""
    days = DailyTotal.objects.filter(tenant__in=tenants, day__gte=since).exclude(type=ADJUSTMENT)
    debits: Any = days.values("day", "currency").order_by().annotate(total=Sum("debits"))
    reversals: Any = (
        Transaction.objects.filter(tenant__in=tenants, reverses__isnull=False, occurred_at__gte=midnight(since))
        .exclude(type=ADJUSTMENT)
        .values("currency", day=TruncDate("occurred_at", tzinfo=UTC))
        .order_by()
        .annotate(total=Sum(day_sums.BILLED_AMOUNT - Greatest(-F("effect"), ZERO)))
    )
    return [*debits, *reversals]


def _adjusted(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    """By day of world time: what corrections added to wallets, less what they took."""
    days = DailyTotal.objects.filter(tenant__in=tenants, day__gte=since, type=ADJUSTMENT)
    rows: Any = days.values("day", "currency").order_by().annotate(total=Sum(F("credits") - F("debits")))
    return list(rows)


def _of_figure(sums: Iterable[Mapping[str, Any]], figure: str) -> list[dict[str, Any]]:
    return [{"day": row["day"], "currency": row["unit"], "total": row["amount"]} for row in sums if row["figure"] == figure]


def _costs(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    sums = (
        Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at__gte=midnight(since))
        .values("starts_at", "currency", "service__name", "service_id")
        .order_by()
        .annotate(amount=Sum("amount"), estimated=Sum("estimated"))
    )
    return [{**row, "day": row["starts_at"].astimezone(UTC).date(), "actual": row["amount"] - row["estimated"]} for row in sums]


def _recorded_costs(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    """By day of book time, from the sums of usage, which a job counts some minutes later."""
    sums = (
        UsageSum.objects.filter(
            tenant__in=tenants,
            first_dimension=0,
            second_dimension=0,
            grain=SumGrain.DAY,
            clock__in=[SumClock.BOTH, SumClock.RECORDED],
            starts_at__gte=midnight(since),
        )
        .values("starts_at", "currency")
        .order_by()
        .annotate(amount=Sum("amount"), estimated=Sum("estimated"))
    )
    return [{**row, "day": row["starts_at"].astimezone(UTC).date(), "actual": row["amount"] - row["estimated"]} for row in sums]


def _outstanding(tenants: Any) -> list[tuple[str, Any, str]]:
    """Outstanding credit, what is held of it, and the part of it that expires soon."""
    unit = Case(When(unit_type=UnitType.METRIC, then=F("metric_id")), default=F("currency"))
    sums = (
        Grant.objects.filter(OUTSTANDING, tenant__in=tenants)
        .annotate(unit=unit)
        .values("unit")
        .order_by()
        .annotate(total=Sum("balance"), expiring=Sum("balance", filter=EXPIRES_SOON, default=Decimal(0)))
    )
    rows = list(sums)
    return [
        (
            "Outstanding credit",
            _amounts({row["unit"]: row["total"] for row in rows}, "credits.grant", "outstanding"),
            "with what holds reserve of it",
        ),
        (
            "Held",
            _amounts(_held(tenants), "credits.hold", "held"),
            "reserved by open holds; customers can draw on the rest",
        ),
        (
            EXPIRING_SOON,
            _amounts({row["unit"]: row["expiring"] for row in rows}, "credits.grant", "expiring"),
            "part of the outstanding credit",
        ),
    ]


def _held(tenants: Any) -> Sums:
    """What open holds reserve of credit, by unit. Overdue ones reserve nothing."""
    open_holds = Hold.objects.filter(OPEN, tenant__in=tenants)
    unit = Case(When(metric_id="", then=F("currency")), default=F("metric_id"))
    rows: Any = open_holds.annotate(unit=unit).values_list("unit").order_by().annotate(total=Sum(F("amount") - F("captured")))
    return dict(rows)


def _rules(tenants: Any, today: date) -> dict[str, Any] | None:
    """Calls denied today, and the spending rule of which most is used; None without any rule in force."""
    if not SpendingRule.objects.filter(tenant__in=tenants, status=RuleStatus.ACTIVE).exists():
        return None
    days = Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at=midnight(today))
    tightest = get_tightest(tenant_ids=list(Tenant.objects.filter(id__in=tenants).values_list("id", flat=True)))
    if tightest is not None:
        unit = "calls" if tightest["measurement_type"] == Measurement.COUNT_TRANSACTIONS else tightest["currency"]
        tightest |= {
            "url": page_of("rules.spendingrule", tightest["rule_id"]),
            "used_text": f"{with_thousands(tightest['used'], unit)} of {with_thousands(tightest['limit_value'], unit)} {unit}",
            "bar": used_bar(tightest["used"], tightest["limit_value"]),
        }
    denied = days.aggregate(total=Sum("denied"))["total"] or 0
    rows = figure_url("metering.transaction", "denied", clock=Clock.WORLD, since=today, until=today)
    return {"denied": link(rows, denied), "tightest": tightest}


def _sum(rows: Iterable[Mapping[str, Any]], *, since: date, unit: str, amount: str) -> Sums:
    sums: Sums = {}
    for row in rows:
        if row["day"] >= since and row[amount]:
            sums[row[unit]] = sums.get(row[unit], Decimal(0)) + row[amount]
    return sums


def _amounts(sums: Sums, label: str, figure: str, **days: Any) -> list[Any]:
    """The largest sums as formatted amounts, each of which leads to the rows that it adds up."""
    largest = sorted(((unit, amount) for unit, amount in sums.items() if amount), key=lambda pair: -abs(pair[1]))
    return [link(figure_url(label, figure, unit=unit, **days), money(amount, unit)) for unit, amount in largest[:MAX_UNITS]]
