"""The list and the pages of traces: for whom, by which agents, and what all the calls of one cost."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import joined, link, money
from metering.admin.pages import calls_panel
from metering.models import Cost, Trace, Transaction
from metering.selectors import list_first_calls

# A trace with more calls than this has no sums in the list.
MAX_CALLS = 100
# Customers, and agents, that a row of the list names.
MAX_NAMES = 2


def calls_of(trace: Trace) -> Panel:
    rows = Transaction.objects.filter(tenant_id=trace.tenant_id, trace_id=trace.pk)
    every = f"{reverse('admin:metering_transaction_changelist')}?{urlencode({'q': str(trace.reference), 'window': 'all'})}"
    return calls_panel("Calls", rows, empty="No call names it.", note=link(every, "All its calls, with their costs"))


def _names(values: Iterable[str | None]) -> str:
    found = list(dict.fromkeys(value for value in values if value))
    more = [f"{len(found) - MAX_NAMES} more"] if len(found) > MAX_NAMES else []
    return ", ".join([*found[:MAX_NAMES], *more]) or NOTHING


def _costs_of(calls: Mapping[UUID, list[dict[str, Any]]], tenants: set[UUID]) -> dict[UUID, dict[tuple[str, bool], Any]]:
    """The active costs of the calls: by the trace, then by the currency and whether they are estimates."""
    trace_of = {call["id"]: trace_id for trace_id, its in calls.items() if len(its) <= MAX_CALLS for call in its}
    costs: dict[UUID, dict[tuple[str, bool], Any]] = {trace_id: {} for trace_id in calls}
    rows = Cost.objects.filter(tenant_id__in=tenants, transaction_id__in=list(trace_of), is_active=True)
    for call_id, amount, unit, is_estimate in rows.values_list("transaction_id", "fiat_amount", "fiat_asset_symbol", "is_estimate"):
        its = costs[trace_of[call_id]]
        its[unit, is_estimate] = its.get((unit, is_estimate), 0) + amount
    return costs


@admin.register(Trace)
class TraceAdmin(LedgerAdmin):
    list_display = ("created_at", "customers", "agents", "costs", "calls", "tenant", "external_id", "reference")
    list_select_related = ("tenant",)
    search_fields = ("id", "reference", "external_id")
    search_parts = ("external_id",)
    field_labels = {"created_at": "begun"}
    icon = "account_tree"

    def read_related(self, rows: list[Any]) -> None:
        """The first calls of each trace and their costs, in two queries for the page."""
        super().read_related(rows)
        calls = list_first_calls(rows, limit=MAX_CALLS + 1)
        costs = _costs_of(calls, {row.tenant_id for row in rows})
        for row in rows:
            row.first_calls, row.costs_now = calls[row.pk], costs[row.pk]

    @admin.display(description="customer")
    def customers(self, row: Any) -> str:
        return _names(call["customer_id"] for call in row.first_calls)

    @admin.display(description="agent")
    def agents(self, row: Any) -> str:
        return _names(call["agent"] for call in row.first_calls)

    @admin.display(description="calls")
    def calls(self, row: Any) -> str:
        count = len(row.first_calls)
        return f"more than {MAX_CALLS}" if count > MAX_CALLS else str(count)

    @admin.display(description="cost")
    def costs(self, row: Any) -> Any:
        parts = self._cost_parts(row)
        return format_html('<div class="ch-right">{}</div>', joined(parts) if parts else NOTHING)

    def _cost_parts(self, row: Any) -> list[Any]:
        return [
            format_html("{} {}", money(amount, unit), "estimated" if is_estimate else "")
            for (unit, is_estimate), amount in sorted(row.costs_now.items())
        ]

    def page_fields(self, row: Any) -> dict[str, Any]:
        """Its page begins with what its calls cost now, for whom and by which agents."""
        found = super().page_fields(row)
        parts = self._cost_parts(row)
        none = "more calls than are summed here" if len(row.first_calls) > MAX_CALLS else "none yet"
        answer = [("cost now", joined(parts) if parts else none, False), ("calls", self.calls(row), False)]
        found["fields"][:0] = [*answer, ("customer", self.customers(row), False), ("agent", self.agents(row), False)]
        return found

    def panels(self, request: HttpRequest, row: Trace) -> list[Panel]:
        return [calls_of(row)]
