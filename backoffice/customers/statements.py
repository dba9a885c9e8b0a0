"""The page of a customer's statement: all grants together, for any days, by either clock; and its file."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from backoffice.customers.links import customer_url
from backoffice.customers.pages import CLOCKS, chosen_clock, find_customer
from backoffice.customers.rows import row_of_customer
from credits.selectors.database_now import database_now
from credits.selectors.statements import CustomerStatement, csv_text, get_statement
from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import effect, link, money, row_link
from kernel.ledger.moments import FIRST_DAY, LAST_DAY, is_in_range

MAX_STATEMENT = 1000
BAD_DAY = f"Write a day like 2026-11-30, from {FIRST_DAY} to {LAST_DAY}."


class PeriodForm(forms.Form):
    """`from` and `to`: days in UTC, both counted, by default this month."""

    def __init__(self, data: Any) -> None:
        today = database_now().astimezone(UTC).date()
        super().__init__({"from": data.get("from") or f"{today.replace(day=1)}", "to": data.get("to") or f"{today}"})
        for name, label in (("from", "From"), ("to", "To, with this day (UTC)")):
            self.fields[name] = forms.DateField(label=label, input_formats=["%Y-%m-%d"], error_messages={"invalid": BAD_DAY})

    def clean(self) -> dict[str, Any]:
        days = self.cleaned_data
        for name, day in list(days.items()):
            if not is_in_range(day):
                self.add_error(name, BAD_DAY)
        if len(days) == 2 and not self.errors and days["from"] > days["to"]:
            self.add_error("from", "The first day is after the last one.")
        return days


@require_safe
def customer_statement(request: HttpRequest) -> HttpResponseBase:
    """All grants together: opening + entries = closing, for each unit. `format=csv`: as a file."""
    tenant, customer_id = find_customer(request)
    clock = chosen_clock(request)
    form = PeriodForm(request.GET)
    statement = None
    if form.is_valid():
        since, last = (datetime.combine(form.cleaned_data[name], time(), tzinfo=UTC) for name in ("from", "to"))
        statement = get_statement(tenant_id=tenant.pk, customer_id=customer_id, since=since, until=last + timedelta(days=1), clock=clock)
        if request.GET.get("format") == "csv":
            name = f"statement-{tenant.slug}-{slugify(customer_id) or 'customer'}-{since:%Y-%m-%d}-{last:%Y-%m-%d}-{clock}.csv"
            response = StreamingHttpResponse(csv_text(statement), content_type="text/csv; charset=utf-8")
            response["Content-Disposition"] = f'attachment; filename="{name}"'
            return response
    chosen = {"tenant": tenant.pk, "id": customer_id, "clock": str(clock), **form.data}
    context = {
        **admin.site.each_context(request),
        "title": f"Statement of {row_of_customer(tenant_id=tenant.pk, customer_id=customer_id) or customer_id}",
        "tenant": tenant,
        "customer_id": customer_id,
        "back": link(customer_url(tenant.pk, customer_id), "The customer's page"),
        "clock": str(clock),
        "clocks": CLOCKS,
        "form": form,
        "csv": f"?{urlencode(chosen | {'format': 'csv'})}" if statement else "",
        "panels": _panels(statement) if statement else [],
    }
    return TemplateResponse(request, "backoffice/customer_statement.html", context)


def _panels(statement: CustomerStatement) -> list[Panel]:
    sums = []
    for unit, before, change in statement.units():
        due = statement.due.get(unit, Decimal(0))
        sums.append((unit, *(money(amount, unit) for amount in (before, change, before + change, due))))
    entries = list(statement.entries(MAX_STATEMENT + 1))
    lines = [
        (
            local_time(getattr(row, statement.time)),
            row_link(row, row.get_kind_display()),
            row_link(row.grant, row.grant.name),
            row.invoice_id or NOTHING,
            effect(row.effect, row.unit),
            money(balance, row.unit),
        )
        for row, balance in entries[:MAX_STATEMENT]
    ]
    balances = ("Unit", "Opening", "Moved", "Closing", "Of which expired, not yet written off")
    headers = ("When", "Entry", "Grant", "Invoice", "Change", "Balance")
    return [
        Panel("Balances", balances, sums, empty="Nothing in any unit."),
        Panel("Entries", headers, lines, empty="None in this period.", note=_note(entries)),
    ]


def _note(entries: list[Any]) -> str:
    return f"The first {MAX_STATEMENT:,}; the CSV file has all, or choose a shorter period." if len(entries) > MAX_STATEMENT else ""
