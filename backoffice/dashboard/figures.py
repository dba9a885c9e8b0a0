"""The dashboard: figures of today, a week and a month by either clock, and alerts.

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

from django.core.cache import cache
from django.db.models import Case, F, Q, Sum, When
from django.db.models.functions import Greatest, TruncDate
from django.http import HttpRequest
from django.utils import timezone

from backoffice import alerts, day_sums
from backoffice.customers.links import customer_url
from backoffice.day_sums import FigureName
from backoffice.expiring_soon import EXPIRING_SOON, SOON
from billing.choices import ADJUSTMENT
from billing.models import DailyTotal, Transaction
from credits.choices import GrantStatus, UnitType
from credits.models import Grant, Hold
from credits.selectors.database_now import NOW
from kernel.ledger.admin.charts import chart
from kernel.ledger.admin.figures import figure_url
from kernel.ledger.admin.formatting import link, money, page_of
from kernel.ledger.clocks import CLOCK_TITLES, Clock
from kernel.ledger.holds import HoldStatus
from kernel.ledger.moments import midnight
from kernel.ledger.money import ZERO, with_thousands
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants, query_tenant_ids, scope_of
from metering.choices import Grain, SumClock, SumGrain
from metering.models import Rollup, UsageSum
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

# What somebody must be allowed to read for the figures of each ledger.
PERMISSIONS = {
    "billing": "billing.view_dailytotal",
    "metering": "metering.view_rollup",
    "credits": "credits.view_credittransaction",
    "rules": "rules.view_spendingrule",
}

Sums = dict[str, Decimal]


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """The template context, for the tenants and the ledgers that the user may see."""
    scope = scope_of(request.user)
    today = timezone.now().astimezone(UTC).date()
    # Figures say how business went, so by default they are by the time it happened; a customer's page explains balances, and has book time.
    clock = Clock.BOOK if request.GET.get("clock") == Clock.BOOK else Clock.WORLD
    key = f"dashboard:{today}:{clock}:{'all' if scope.tenant_ids is None else sorted(map(str, scope.tenant_ids))}"
    figures = cache.get(key)
    if figures is None:
        figures = _figures(scope, today, clock)
        if not figures["unsummed"]:
            cache.set(key, figures, CACHE_SECONDS)
    may = {ledger: request.user.has_perm(permission) for ledger, permission in PERMISSIONS.items()}
    return {
        **figures,
        "figures": [(name, list(zip(SPANS, cells, strict=True))) for ledger, name, cells in figures["figures"] if may[ledger]],
        "outstanding": figures["outstanding"] if may["credits"] else [],
        "rules": figures["rules"] if may["rules"] else None,
        "charts": [each for ledger, each in figures["charts"] if may[ledger]],
        "clock": str(clock),
        "clocks": [(clock.value, title) for clock, title in CLOCK_TITLES.items()],
        "clock_title": CLOCK_TITLES[clock].lower(),
        "lacks": _what_is_missing(may, scope),
        "alerts": alerts.list_alerts(request, scope),
    }


def _what_is_missing(may: Mapping[str, bool], scope: VisibleTenants) -> str:
    """Why the page is empty for somebody who is new here; empty for everybody else."""
    if not any(may.values()):
        return "You have no role yet. A superuser gives you one, under Staff."
    return "You see no tenant yet. A superuser sets which ones you see, under Staff." if scope.tenant_ids == frozenset() else ""


def _figures(scope: VisibleTenants, today: date, clock: Clock) -> dict[str, Any]:
    since = today - timedelta(days=day_sums.DAYS - 1)
    tenants = query_tenant_ids(scope)
    sums, unsummed = day_sums.by_day(since=since, today=today, tenant_ids=scope.tenant_ids)
    costs = _costs(tenants, since=since) if clock == Clock.WORLD else _recorded_costs(tenants, since=since)
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
        "outstanding": _outstanding(tenants, today),
        "rules": _rules(tenants, today),
        "charts": _charts(billed, costs, sums, tenants, since=since, today=today, clock=clock),
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


def _outstanding(tenants: Any, today: date) -> list[tuple[str, Any, str]]:
    """Outstanding credit, what is held of it, and the part of it that expires within 30 days."""
    unit = Case(When(unit_type=UnitType.METRIC, then=F("metric_id")), default=F("currency"))
    soon = Q(expiry_date__gte=today, expiry_date__lte=today + SOON)
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
    open_holds = Hold.objects.filter(tenant__in=tenants, status=HoldStatus.ACTIVE, expires_at__gt=NOW)
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
        unit = "" if tightest["measurement_type"] == Measurement.COUNT_TRANSACTIONS else tightest["currency"]
        tightest |= {
            "url": page_of("rules.spendingrule", tightest["rule_id"]),
            "used_text": f"{with_thousands(tightest['used'], unit)} of {with_thousands(tightest['limit_value'], unit)} {unit}".strip(),
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


def _charts(
    billed: Sequence[Any],
    costs: Sequence[Any],
    sums: Iterable[Mapping[str, Any]],
    tenants: Any,
    *,
    since: date,
    today: date,
    clock: Clock,
) -> list[tuple[str, dict[str, Any]]]:
    """Each chart with the ledger that it is about, in the unit with the largest sum. Amounts in a chart may be rounded.

    Services and agents are summed by world time only, customers by book time only: their charts say so.
    """
    days = [since + timedelta(days=number) for number in range((today - since).days + 1)]
    consumed = [row | {"day": row[day_sums.DAY_OF[clock]]} for row in map(dict, sums) if row["figure"] == FigureName.CONSUMED]
    totals = [row for row in consumed if not row["customer_id"]]
    customers = [row for row in consumed if row["customer_id"]]
    happened = _costs(tenants, since=since) if clock == Clock.BOOK else costs
    agents = _agents(tenants, since=since)
    unit_and_amount = {"unit": "unit", "amount": "amount"}
    chosen, world, book = (CLOCK_TITLES[each].lower() for each in (clock, Clock.WORLD, Clock.BOOK))
    cost, consumer = {"unit": "currency", "amount": "amount", "clock": world}, {**unit_and_amount, "clock": book}
    return [
        ("billing", _by_day("Billed by day", billed, days, unit="currency", amount="total", clock=chosen, figure=(*BILLED, clock))),
        ("credits", _by_day("Credit consumed by day", totals, days, **unit_and_amount, clock=chosen, figure=(*CONSUMED, clock))),
        ("metering", _by_day("Metered cost by day", costs, days, unit="currency", amount="amount", clock=chosen, figure=(*COST, clock))),
        ("metering", _linked(_leaders("Metered cost by service", happened, name="service__name", **cost), happened, "service", since)),
        ("metering", _linked(_leaders("Top agents by metered cost", agents, name="agent__name", **cost), agents, "agent", since)),
        (
            "credits",
            _customers_linked(_leaders("Top customers by credit consumed", customers, name="customer_id", **consumer), customers, since),
        ),
    ]


# The lists and figures that the charts by day lead to.
BILLED = ("billing.transaction", "billed")
CONSUMED = ("credits.credittransaction", FigureName.CONSUMED.value)
COST = ("metering.cost", "cost")


def _linked(bars: dict[str, Any], rows: Iterable[Mapping[str, Any]], kind: str, since: date) -> dict[str, Any]:
    """The chart of services or agents: a name that is one row's alone leads to its page, and each amount to the costs."""
    owners: dict[str, set[Any]] = {}
    for row in rows:
        owners.setdefault(row[f"{kind}__name"], set()).add(row[f"{kind}_id"])
    for bar in bars["bars"]:
        identifier, *others = owners[bar["label"]]
        of = {f"{kind}_name": bar["label"]} if others else {f"{kind}_id": identifier}
        bar["rows"] = figure_url(*COST, unit=bars["unit"], clock=Clock.WORLD, since=since, **of)
        if not others:
            bar["url"] = page_of(f"metering.{kind}", identifier)
    return bars


def _customers_linked(bars: dict[str, Any], customers: Iterable[Mapping[str, Any]], since: date) -> dict[str, Any]:
    """The chart: an id that is one tenant's alone leads to the customer's page, and each amount to the credit transactions."""
    owners: dict[str, set[Any]] = {}
    for row in customers:
        owners.setdefault(row["customer_id"], set()).add(row["tenant_id"])
    for bar in bars["bars"]:
        tenant_id, *others = owners[bar["label"]]
        bar["rows"] = figure_url(*CONSUMED, unit=bars["unit"], clock=Clock.BOOK, since=since, customer_id=bar["label"])
        if not others:
            bar["url"] = customer_url(tenant_id, bar["label"])
    return bars


def _agents(tenants: Any, *, since: date) -> list[dict[str, Any]]:
    sums = (
        Rollup.objects.filter(tenant__in=tenants, grain=Grain.DAY, starts_at__gte=midnight(since), agent__isnull=False)
        .values("agent__name", "agent_id", "currency")
        .order_by()
        .annotate(amount=Sum("amount"))
    )
    return [dict(row) for row in sums]


def _by_day(
    title: str, rows: Sequence[Any], days: list[date], *, unit: str, amount: str, clock: str, figure: tuple[str, str, str]
) -> dict[str, Any]:
    chosen = _main_unit(rows, unit=unit, amount=amount)
    sums: dict[date, Decimal] = {}
    for row in rows:
        if row[unit] == chosen:
            sums[row["day"]] = sums.get(row["day"], Decimal(0)) + row[amount]
    labels = [f"{day:%d %b}" for day in days]
    made = chart(title, chosen, labels, [sums.get(day, Decimal(0)) for day in days], kind="bar", clock=clock)
    label, name, its_clock = figure
    for bar, day in zip(made["bars"], days, strict=True):
        bar["url"] = figure_url(label, name, unit=chosen, clock=its_clock, since=day, until=day) if sums.get(day) else ""
    return made


def _leaders(title: str, rows: Sequence[Any], *, name: str, unit: str, amount: str, clock: str) -> dict[str, Any]:
    chosen = _main_unit(rows, unit=unit, amount=amount)
    sums: Sums = {}
    for row in rows:
        if row[unit] == chosen:
            sums[row[name]] = sums.get(row[name], Decimal(0)) + row[amount]
    first = sorted(((label, total) for label, total in sums.items() if total > 0), key=lambda pair: -pair[1])[:MAX_LEADERS]
    return chart(title, chosen, [label for label, _ in first], [total for _, total in first], kind="leaders", clock=clock)


def _main_unit(rows: Sequence[Any], *, unit: str, amount: str) -> str:
    sums: Sums = {}
    for row in rows:
        sums[row[unit]] = sums.get(row[unit], Decimal(0)) + abs(row[amount])
    return max(sums, key=lambda name: sums[name]) if any(sums.values()) else ""
