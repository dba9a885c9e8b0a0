"""What the pages of agents and services begin with: what they spent, by day, and their newest calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.charts import chart
from kernel.ledger.admin.figures import figure_url
from kernel.ledger.admin.formatting import joined, label, link, money, row_link
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.ledger.clocks import Clock
from metering.choices import Grain
from metering.models import Cost, Rollup, Transaction

SPANS = {"Today": 1, "7 days": 7, "30 days": 30}
DAYS, NEWEST = 30, 20
# How long the search for the calls that happened last may take, in milliseconds.
SPEND_MS = 150
CLOCK = "by the time it happened"


class SpendAdmin(LedgerAdmin):
    """Base class of the pages of agents and services. `spender`: their column in the sums of usage."""

    row_template = "metering/spend.html"
    spender = ""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: Any = super().change_view(request, object_id, form_url, extra_context)
        row = getattr(response, "context_data", {}).get("original")
        if row is not None and request.user.has_perm("metering.view_rollup"):
            response.context_data |= self.spend(row)
        return response

    def spend(self, row: Any) -> dict[str, Any]:
        """The headline, and the chart in the currency of which most was spent."""
        today = timezone.now().astimezone(UTC).date()
        since = today - timedelta(days=DAYS - 1)
        keys = {f"{self.spender}_id": row.pk}
        days = _days(since, tenant_id=row.tenant_id, **keys)
        lines = [
            (title, [(name, self._cell(days, column, first=today - timedelta(days=span - 1), keys=keys)) for name, span in SPANS.items()])
            for title, column in (
                ("Actual cost", "actual"),
                ("Estimated cost", "estimated"),
                ("Calls", "transactions"),
                ("Denied", "denied"),
            )
        ]
        return {"spans": list(SPANS), "lines": lines, "clock": CLOCK, "chart": _by_day(days, since, keys)}

    def search_line(self, row: Any) -> Any:
        """Two tenants may have an agent of the same name: whose it is, and what it spent."""
        since = timezone.now().astimezone(UTC).date() - timedelta(days=DAYS - 1)
        sums: dict[str, Decimal] = {}
        for day in _days(since, tenant_id=row.tenant_id, **{f"{self.spender}_id": row.pk}):
            sums[day["currency"]] = sums.get(day["currency"], Decimal(0)) + day["amount"]
        spent = joined(money(total, unit) for unit, total in sorted(sums.items()) if total)
        return format_html("{} · {} in {} days", row.tenant, spent or "nothing spent", DAYS)

    def _cell(self, days: Sequence[Mapping[str, Any]], column: str, *, first: date, keys: Mapping[str, Any]) -> list[Any]:
        """The sums of a column from a day on; each leads to the rows that it adds up."""
        sums: dict[str, Decimal] = {}
        for day in days:
            if day["day"] >= first:
                unit = day["currency"] if column in {"actual", "estimated"} else ""
                sums[unit] = sums.get(unit, Decimal(0)) + day[column]
        model, name = ("metering.cost", column) if column in {"actual", "estimated"} else ("metering.transaction", COUNTED[column])
        return [
            link(figure_url(model, name, unit=unit, clock=Clock.WORLD, since=first, **keys), money(total, unit) if unit else _count(total))
            for unit, total in sorted(sums.items())
            if total
        ]

    def panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        return [newest_calls(Transaction.objects.filter(tenant_id=row.tenant_id, **{self.spender: row}))]


COUNTED = {"transactions": "calls", "denied": "denied"}


def _count(number: Any) -> Any:
    return joined([f"{int(number):,}"])


def _days(since: date, **keys: Any) -> list[dict[str, Any]]:
    """One row for each day and currency. Currencies and shards are added up by the database."""
    names = ("amount", "estimated", "transactions", "denied")
    moment = datetime.combine(since, time(), tzinfo=UTC)
    rows = Rollup.objects.filter(**keys, grain=Grain.DAY, starts_at__gte=moment)
    sums: Any = rows.values("starts_at", "currency").order_by("starts_at").annotate(**{f"{name}_sum": Sum(name) for name in names})
    days = [
        {"day": row["starts_at"].astimezone(UTC).date(), "currency": row["currency"], **{n: row[f"{n}_sum"] for n in names}} for row in sums
    ]
    return [{**day, "actual": day["amount"] - day["estimated"]} for day in days]


def _by_day(rows: Sequence[Mapping[str, Any]], since: date, keys: Mapping[str, Any]) -> dict[str, Any]:
    totals: dict[str, Decimal] = {}
    for row in rows:
        totals[row["currency"]] = totals.get(row["currency"], Decimal(0)) + row["amount"]
    unit = max(totals, key=lambda name: totals[name]) if any(totals.values()) else ""
    days = [since + timedelta(days=number) for number in range(DAYS)]
    sums = {row["day"]: row["amount"] for row in rows if row["currency"] == unit}
    made = chart(
        "Cost by day", unit, [f"{day:%d %b}" for day in days], [sums.get(day, Decimal(0)) for day in days], kind="bar", clock=CLOCK
    )
    for bar, day in zip(made["bars"], days, strict=True):
        bar["url"] = (
            figure_url("metering.cost", "cost", unit=unit, clock=Clock.WORLD, since=day, until=day, **keys) if sums.get(day) else ""
        )
    return made


def _newest(calls: Any) -> list[Transaction]:
    """By the time they happened. An agent's and a service's calls have an index by book time only: where it would take too long to read
    all, the calls that were booked last stand in the order in which they happened."""
    try:
        with time_limit(SPEND_MS):
            return list(calls.order_by("-occurred_at", "-id")[:NEWEST])
    except TookTooLong:
        return sorted(calls.order_by("-created_at", "-id")[:NEWEST], key=lambda row: (row.occurred_at, row.pk), reverse=True)


COLOURS = {"completed": "good", "denied": "bad", "authorized": "wait"}


def newest_calls(calls: Any) -> Panel:
    """The calls that happened last, each with what it costs now."""
    rows = _newest(calls.select_related("service", "agent"))
    costs: dict[Any, list[Cost]] = {}
    ids = [row.pk for row in rows]
    # An index begins with the tenant.
    for cost in Cost.objects.filter(tenant_id=rows[0].tenant_id, transaction_id__in=ids, is_active=True) if rows else ():
        costs.setdefault(cost.transaction_id, []).append(cost)
    lines = [
        (
            local_time(row.occurred_at),
            row_link(row, f"{row.service} {row.action_name}"),
            row.resource_name,
            row_link(row.agent),
            label(row.get_status_display(), COLOURS.get(row.status, "")),
            joined(money(cost.fiat_amount, cost.fiat_asset_symbol) for cost in costs.get(row.pk, [])) or NOTHING,
            "estimate" if any(cost.is_estimate for cost in costs.get(row.pk, [])) else "",
        )
        for row in rows
    ]
    headers = ("Happened", "Call", "Resource", "Agent", "Status", "Cost", "")
    return Panel(f"The newest {NEWEST} calls", headers, lines, empty="No call yet.")
