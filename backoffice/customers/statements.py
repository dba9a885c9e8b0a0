"""The statement of a customer: all grants together, for any days, by either clock."""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, F, QuerySet, Sum, When
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from backoffice.customer_links import customer_url
from backoffice.customer_rows import row_of_customer
from backoffice.customers.pages import CLOCKS, chosen_clock, find_customer
from backoffice.customers.timeline import TIMES
from billing.selectors.statements import BYTE_ORDER_MARK
from credits.choices import GrantStatus, TransactionType, UnitType
from credits.models import CreditTransaction
from credits.selectors.database_now import TODAY
from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import effect, link, money, row_link
from kernel.ledger.exports.formula_escaping import escape_formula
from kernel.ledger.moments import FIRST_DAY, LAST_DAY, is_in_range
from kernel.ledger.money import MoneyField, trimmed_digits
from kernel.tenants.models import Tenant

MAX_STATEMENT = 1000
BAD_DAY = f"Write a day like 2026-11-30, from {FIRST_DAY} to {LAST_DAY}."
UNIT = Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency"))
EFFECT = Case(When(type=TransactionType.CREDIT, then=F("amount")), default=-F("amount"), output_field=MoneyField())


class PeriodForm(forms.Form):
    """`from` and `to`: days in UTC, both counted, by default this month."""

    def __init__(self, data: Any) -> None:
        today = timezone.now().astimezone(UTC).date()
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
        rows = CreditTransaction.objects.filter(tenant=tenant, customer_id=customer_id).annotate(unit=UNIT, effect=EFFECT)
        statement = Statement(rows, time=TIMES[clock], since=since, until=last + timedelta(days=1))
        if request.GET.get("format") == "csv":
            name = f"statement-{tenant.slug}-{slugify(customer_id) or 'customer'}-{since:%Y-%m-%d}-{last:%Y-%m-%d}-{clock}.csv"
            response = StreamingHttpResponse(statement.csv(tenant, customer_id), content_type="text/csv; charset=utf-8")
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
        "panels": statement.panels() if statement else [],
    }
    return TemplateResponse(request, "backoffice/customer_statement.html", context)


class Statement:
    """Opening, change and closing of each unit, and the entries between, each with what all grants of its unit held after it."""

    def __init__(self, rows: QuerySet[Any], *, time: str, since: datetime, until: datetime) -> None:
        self.time = time
        self.period = rows.filter(**{f"{time}__gte": since, f"{time}__lt": until})
        # Only where the period reaches today: an expiry is an entry of its own once it is written.
        self.due = _due(rows) if until > timezone.now() else {}
        self.opening, self.moved = _sums(rows.filter(**{f"{time}__lt": since})), _sums(self.period)

    def entries(self, most: int | None = None) -> Iterator[tuple[Any, Decimal]]:
        """Each with the running balance of its unit."""
        balances = dict(self.opening)
        for row in self.period.select_related("grant").order_by(self.time, "id")[:most].iterator(chunk_size=2000):
            balances[row.unit] = balances.get(row.unit, Decimal(0)) + row.effect
            yield row, balances[row.unit]

    def units(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """Each unit with its opening balance and what was moved."""
        for unit in sorted({*self.opening, *self.moved}):
            yield unit, self.opening.get(unit, Decimal(0)), self.moved.get(unit, Decimal(0))

    def panels(self) -> list[Panel]:
        sums = []
        for unit, before, change in self.units():
            due = self.due.get(unit, Decimal(0))
            sums.append((unit, *(money(amount, unit) for amount in (before, change, before + change, due))))
        entries = list(self.entries(MAX_STATEMENT + 1))
        lines = [
            (
                local_time(getattr(row, self.time)),
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

    def csv(self, tenant: Tenant, customer_id: str) -> Iterator[str]:
        """A line for the opening balance of each unit, one for each entry, one for each closing balance."""
        whose = [escape_formula(tenant.name), escape_formula(customer_id)]
        yield BYTE_ORDER_MARK + _line("tenant", "customer", "unit", "when", "kind", "grant", "invoice", "change", "balance", "id")
        for unit, before, _ in self.units():
            yield _line(*whose, unit, "", "opening_balance", "", "", "", trimmed_digits(before), "")
        for row, balance in self.entries():
            when = getattr(row, self.time).astimezone(UTC).isoformat()
            texts = [row.unit, when, row.kind, escape_formula(row.grant.name), escape_formula(row.invoice_id)]
            yield _line(*whose, *texts, trimmed_digits(row.effect), trimmed_digits(balance), str(row.pk))
        for unit, before, change in self.units():
            yield _line(*whose, unit, "", "closing_balance", "", "", "", trimmed_digits(before + change), "")


def _line(*values: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()


def _due(rows: QuerySet[Any]) -> Mapping[str, Decimal]:
    """What is left of grants whose last day is over, and which the daily job has not expired yet."""
    over = rows.filter(grant__status=GrantStatus.OPEN, grant__expiry_date__lt=TODAY)
    return _sums(over)


def _note(entries: list[Any]) -> str:
    return f"The first {MAX_STATEMENT:,}; the CSV file has all, or choose a shorter period." if len(entries) > MAX_STATEMENT else ""


def _sums(rows: QuerySet[Any]) -> Mapping[str, Decimal]:
    return dict(rows.order_by().values_list("unit").annotate(total=Sum("effect")))
