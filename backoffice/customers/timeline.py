"""The timeline of a customer over the three ledgers, newest first: pages by keyset, of all of it or of one ledger."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.models import Transaction as BillingTransaction
from billing.models import type_label
from billing.selectors import set_type_labels
from credits.admin import unit_of
from credits.choices import TransactionType
from credits.models import CreditTransaction
from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, effect, joined, link, money, row_link
from kernel.ledger.admin.searching import NEWEST, newest_of
from kernel.ledger.admin.text_conditions import has_json_text
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.ledger.clocks import CLOCK_FIELDS, Clock
from kernel.ledger.identifiers import with_short_ids
from metering.models import Agent, Cost
from metering.models import Transaction as MeteredTransaction

# Rows of a page; calls that one page groups; invoices, agents and entries by which billing's rows are known.
SHOWN, GROUPED, KNOWN = 50, 5_000, 1_000
# How long the search for entries that name the customer may take, in milliseconds.
NAMED_MS = 150
TITLES = {"all": "All", "money": "Money", "usage": "Usage", "credits": "Credits"}
RIGHTS = {"money": "billing.view_transaction", "usage": "metering.view_transaction", "credits": "credits.view_credittransaction"}
LISTS = {"money": "billing_transaction", "usage": "metering_transaction", "credits": "credits_credittransaction"}
NOTE = f"Billing's entries have no customer: these are of its agents, of its newest invoices, or among the newest {NEWEST:,} and name it."
# Of the newest calls: how many there were in each hour, or in each day where they span more than two, and what they cost.
GROUPS = """
    WITH newest AS (
        SELECT id, {time} AS at FROM metering_transaction
        WHERE tenant_id = %(tenant)s AND customer_id = %(customer)s {before}
        ORDER BY {time} DESC, id DESC LIMIT %(limit)s
    ), span AS (
        SELECT CASE WHEN max(at) - min(at) > interval '2 days' THEN 'day' ELSE 'hour' END AS unit FROM newest
    ), placed AS (
        SELECT newest.id, newest.at, span.unit, date_trunc(span.unit, newest.at, %(zone)s) AS starts_at FROM newest CROSS JOIN span
    ), counted AS (
        SELECT starts_at, unit, count(*) AS calls, max(at) AS last, min(at) AS first, (array_agg(id ORDER BY at, id))[1] AS first_id
        FROM placed GROUP BY starts_at, unit
    ), costs AS (
        SELECT placed.starts_at, cost.fiat_asset_symbol AS currency, sum(cost.fiat_amount) AS amount
        FROM placed JOIN metering_cost AS cost ON cost.tenant_id = %(tenant)s AND cost.transaction_id = placed.id AND cost.is_active
        GROUP BY placed.starts_at, cost.fiat_asset_symbol
    )
    SELECT counted.*, (
        SELECT coalesce(jsonb_object_agg(currency, amount::text), '{{}}') FROM costs WHERE costs.starts_at = counted.starts_at
    )::text AS costs
    FROM counted ORDER BY last DESC
"""


@dataclass(frozen=True)
class Item:
    """A row of the timeline. `at`: where it stands; `key`: where its ledger goes on after it; `actor`: empty for a group of calls."""

    ledger: str
    at: datetime
    key: tuple[datetime, UUID]
    cells: tuple[Any, ...]
    actor: str = ""


@dataclass(frozen=True)
class Timeline:
    """`tabs`: title, address, whether it is open. `older`: the address of the next page; `lists`: the full lists of the customer."""

    panel: Panel
    tabs: list[tuple[str, str, bool]]
    older: str = ""
    newest: str = ""
    lists: list[Any] = field(default_factory=list)


def timeline(request: HttpRequest, clock: Clock, *, tenant_id: UUID, customer_id: str) -> Timeline:
    """`show`: all, money, usage or credits; `before_<ledger>`: where each ledger goes on. Raises Http404 for what is no such place."""
    own = {"tenant": str(tenant_id), "id": customer_id, "clock": str(clock)}
    visible = [name for name, right in RIGHTS.items() if request.user.has_perm(right)]
    show = request.GET.get("show", "all")
    show = show if show in visible else "all"
    before = {name: _parsed(request.GET.get(f"before_{name}", "")) for name in visible}
    reader = _Reader(tenant_id, customer_id, CLOCK_FIELDS[clock])
    items: list[Item] = []
    for name in visible if show == "all" else [show]:
        read: Callable[[Any], list[Item]] = reader.groups if (show, name) == ("all", "usage") else getattr(reader, name)
        items += read(before[name])
    items.sort(key=lambda item: item.at, reverse=True)
    here = own | {"show": show}
    tabs = [(TITLES[name], _address(own | {"show": name}), name == show) for name in ("all", *visible)]
    return Timeline(
        panel=_panel(items[:SHOWN], clock, note=NOTE if "money" in visible and show in {"all", "money"} else ""),
        tabs=tabs,
        older=_address(here | _cursor(items[:SHOWN], before)) if len(items) > SHOWN or reader.goes_on else "",
        newest=_address(here) if any(before.values()) else "",
        lists=[_full_list(name, tenant_id, customer_id) for name in visible],
    )


def _panel(items: list[Item], clock: Clock, *, note: str) -> Panel:
    names = actor_names(item.actor for item in items if item.actor)
    lines = [(*item.cells, names.get(item.actor, "")) for item in items]
    headers = ("Booked" if clock == Clock.BOOK else "Happened", "Ledger", "What", "Of", "Amount", "By")
    return Panel("What happened, newest first", headers, lines, empty="Nothing has happened yet.", note=note)


def _address(values: Mapping[str, str]) -> str:
    return f"?{urlencode(values)}#timeline"


def _cursor(items: list[Item], before: Mapping[str, Any]) -> dict[str, str]:
    """Where each ledger goes on after these rows: after its last one, or where it began if none of them is of it."""
    keys = {name: key for name, key in before.items() if key} | {item.ledger: item.key for item in items}
    return {f"before_{name}": f"{at.isoformat()}_{identifier}" for name, (at, identifier) in keys.items()}


def _parsed(text: str) -> tuple[datetime, UUID] | None:
    if not text:
        return None
    moment, _, identifier = text.partition("_")
    try:
        at = datetime.fromisoformat(moment)
        return (at if timezone.is_aware(at) else timezone.make_aware(at)), UUID(identifier)
    except (ValueError, OverflowError):
        raise Http404 from None


def _full_list(name: str, tenant_id: UUID, customer_id: str) -> Any:
    """Billing has no filter by customer; its search finds the entries that name one."""
    narrowed = {"q": customer_id} if name == "money" else {"customer": customer_id, "window": "all"}
    url = f"{reverse(f'admin:{LISTS[name]}_changelist')}?{urlencode({'tenant': tenant_id} | narrowed)}"
    return link(url, {"money": "Entries that name the customer", "usage": "All calls", "credits": "All credit entries"}[name])


class _Reader:
    """The rows of a customer in each ledger, one more than a page has, from a place on."""

    def __init__(self, tenant_id: UUID, customer_id: str, time: str) -> None:
        self.tenant_id, self.customer_id, self.time = tenant_id, customer_id, time
        # Whether there may be more calls than were read.
        self.goes_on = False
        self.own: dict[str, Any] = {"tenant_id": tenant_id, "customer_id": customer_id}

    def _page(self, rows: QuerySet[Any], before: tuple[datetime, UUID] | None) -> list[Any]:
        if before is not None:
            at, identifier = before
            later = Q(**{f"{self.time}__lt": at}) | Q(id__lt=identifier)
            rows = rows.filter(Q(**{f"{self.time}__lte": at}) & later)
        return list(rows.order_by(f"-{self.time}", "-id")[: SHOWN + 1])

    def _item(self, ledger: str, row: Any, *cells: Any) -> Item:
        at = getattr(row, self.time)
        return Item(ledger, at, (at, row.pk), (local_time(at), TITLES[ledger], *cells), row.actor)

    def credits(self, before: Any) -> list[Item]:
        rows = self._page(CreditTransaction.objects.filter(**self.own).select_related("grant"), before)
        return [
            self._item(
                "credits",
                row,
                row_link(row, row.get_kind_display()),
                f"{row.grant.name} {row.invoice_id}",
                effect(row.amount if row.type == TransactionType.CREDIT else -row.amount, unit_of(row.grant)),
            )
            for row in rows
        ]

    def usage(self, before: Any) -> list[Item]:
        rows = self._page(MeteredTransaction.objects.filter(**self.own).select_related("service"), before)
        costs: dict[UUID, list[Any]] = {}
        active = Cost.objects.filter(tenant_id=self.tenant_id, transaction_id__in=[row.pk for row in rows], is_active=True)
        for cost in active.order_by("created_at", "id"):
            text = format_html("{} {}", money(cost.fiat_amount, cost.fiat_asset_symbol), "estimated" if cost.is_estimate else "")
            costs.setdefault(cost.transaction_id, []).append(text)
        return [
            self._item(
                "usage",
                row,
                row_link(row, f"{row.service} {row.action_name}"),
                f"{row.resource_name}, {row.get_status_display().lower()}",
                joined(costs[row.pk]) if row.pk in costs else NOTHING,
            )
            for row in rows
        ]

    def groups(self, before: tuple[datetime, UUID] | None) -> list[Item]:
        """Calls by hour or day. The oldest hour or day that was read may go on, so it is left out; if it is the only one, it says so."""
        condition = f"AND ({self.time}, id) < (%(at)s, %(id)s)" if before else ""
        at, identifier = before or (None, None)
        parameters: dict[str, Any] = {"tenant": self.tenant_id, "customer": self.customer_id, "at": at, "id": identifier, "limit": GROUPED}
        parameters["zone"] = timezone.get_current_timezone_name()
        with connection.cursor() as cursor:
            cursor.execute(GROUPS.format(time=self.time, before=condition), parameters)
            names = [column.name for column in cursor.description]
            found = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
        is_cut = self.goes_on = sum(row.calls for row in found) == GROUPED
        if is_cut and len(found) > 1:
            found, is_cut = found[:-1], False
        return [self._group(row, is_cut=is_cut) for row in found[: SHOWN + 1]]

    def _group(self, row: Any, *, is_cut: bool) -> Item:
        since = timezone.localtime(row.starts_at)
        until = since + (timedelta(days=1) if row.unit == "day" else timedelta(hours=1)) - timedelta(microseconds=1)
        narrowed = {"tenant": self.tenant_id, "customer": self.customer_id}
        for end, moment in (("from", since), ("to", until)):
            narrowed |= {f"{self.time}_{end}_0": f"{moment:%Y-%m-%d}", f"{self.time}_{end}_1": f"{moment:%H:%M:%S}"}
        url = f"{reverse('admin:metering_transaction_changelist')}?{urlencode(narrowed)}"
        text = f"{'the newest ' if is_cut else ''}{row.calls:,} call{'' if row.calls == 1 else 's'}"
        costs = joined(money(Decimal(amount), currency) for currency, amount in sorted(json.loads(row.costs).items()))
        when = f"{since:%Y-%m-%d}" if row.unit == "day" else f"{since:%Y-%m-%d %H}:00 to {until:%H:%M}"
        return Item(
            "usage", row.last, (row.first, row.first_id), (when, TITLES["usage"], link(url, text), f"of one {row.unit}", costs or NOTHING)
        )

    def money(self, before: Any) -> list[Item]:
        rows = self._page(BillingTransaction.objects.filter(self._entries_of_customer(), tenant_id=self.tenant_id), before)
        set_type_labels(rows)
        return [
            self._item("money", row, row_link(row, type_label(row)), " ".join(_words_of(row)), effect(row.effect, row.currency))
            for row in rows
        ]

    def _entries_of_customer(self) -> Q:
        """The entries that are known to be the customer's: of its invoices, of its agents, or with its id in their metadata."""
        drawn = CreditTransaction.objects.filter(**self.own).exclude(invoice_id="").order_by("-created_at", "-id")
        invoices = list(dict.fromkeys(drawn.values_list("invoice_id", flat=True)[:KNOWN]))
        agents = list(Agent.objects.filter(**self.own).values_list("name", flat=True)[:KNOWN])
        entries, newest = BillingTransaction.objects.filter(tenant_id=self.tenant_id), ("-created_at", "-id")
        names_it = has_json_text("metadata", self.customer_id)
        try:
            with time_limit(NAMED_MS):
                ids = list(entries.filter(names_it).order_by(*newest).values_list("pk", flat=True)[:KNOWN])
        except TookTooLong:
            ids = list(newest_of(entries, newest).filter(names_it).order_by(*newest).values_list("pk", flat=True)[:KNOWN])
        return Q(reference_id__in=invoices) | Q(agent_id__in=agents) | Q(pk__in=ids)


def _words_of(row: Any) -> Iterator[str]:
    yield with_short_ids(row.reference_id)
    if row.agent_id:
        yield row.agent_id
    if row.description:
        yield row.description
