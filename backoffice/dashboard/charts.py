"""The dashboard's charts: sums by day, and the services, agents and customers with the largest sums. Each bar leads to its rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from backoffice.customers.links import customer_url
from backoffice.dashboard import day_sums
from backoffice.dashboard.day_sums import FigureName
from kernel.ledger.admin.charts import chart
from kernel.ledger.admin.figures import figure_url
from kernel.ledger.admin.formatting import page_of
from kernel.ledger.clocks import CLOCK_TITLES, Clock
from kernel.ledger.moments import midnight
from metering.choices import Grain
from metering.models import Rollup

MAX_LEADERS = 8
# The lists and figures that the charts by day lead to.
BILLED = ("billing.transaction", "billed")
CONSUMED = ("credits.credittransaction", FigureName.CONSUMED.value)
COST = ("metering.cost", "cost")


def draw_charts(
    billed: Sequence[Any],
    costs: Sequence[Any],
    happened: Sequence[Any],
    sums: Iterable[Mapping[str, Any]],
    tenants: Any,
    *,
    since: date,
    today: date,
    clock: Clock,
) -> list[tuple[str, dict[str, Any]]]:
    """Each chart with the ledger that it is about, in the unit with the largest sum. Amounts in a chart may be rounded.

    Services and agents are summed by world time only, customers by book time only: their charts say so. `happened` are the costs by world
    time, whatever the clock.
    """
    days = [since + timedelta(days=number) for number in range((today - since).days + 1)]
    consumed = [row | {"day": row[day_sums.DAY_OF[clock]]} for row in map(dict, sums) if row["figure"] == FigureName.CONSUMED]
    totals = [row for row in consumed if not row["customer_id"]]
    customers = [row for row in consumed if row["customer_id"]]
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
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row[unit] == chosen:
            sums[row[name]] = sums.get(row[name], Decimal(0)) + row[amount]
    first = sorted(((label, total) for label, total in sums.items() if total > 0), key=lambda pair: -pair[1])[:MAX_LEADERS]
    return chart(title, chosen, [label for label, _ in first], [total for _, total in first], kind="leaders", clock=clock)


def _main_unit(rows: Sequence[Any], *, unit: str, amount: str) -> str:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row[unit]] = sums.get(row[unit], Decimal(0)) + abs(row[amount])
    return max(sums, key=lambda name: sums[name]) if any(sums.values()) else ""
