"""The statement of a customer: all grants together, for any days, by either clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Case, F, QuerySet, Sum, When
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from backoffice.customer_links import customer_url
from backoffice.customers import CLOCKS, chosen_clock, find_customer
from backoffice.timeline import TIMES
from credits.choices import GrantStatus, TransactionType, UnitType
from credits.models import CreditTransaction
from credits.selectors.clock import TODAY
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import effect, link, money, row_link
from kernel.ledger.errors import InvalidValue
from kernel.ledger.moments import check_moment
from kernel.ledger.money import MoneyField
from kernel.tenants.admin import local_time

MAX_STATEMENT = 1000
UNIT = Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency"))
EFFECT = Case(When(type=TransactionType.CREDIT, then=F("amount")), default=-F("amount"), output_field=MoneyField())


@require_safe
def customer_statement(request: HttpRequest) -> HttpResponse:
    """All grants together: opening + entries = closing, for each unit. `from` and `to`: days in UTC, by default this month."""
    tenant, customer_id = find_customer(request)
    clock = chosen_clock(request)
    since, last = _period(request)
    rows = CreditTransaction.objects.filter(tenant=tenant, customer_id=customer_id).annotate(unit=UNIT, effect=EFFECT)
    context = {
        **admin.site.each_context(request),
        "title": f"Statement of {customer_id}",
        "tenant": tenant,
        "customer_id": customer_id,
        "back": link(customer_url(tenant.pk, customer_id), "The customer's page"),
        "clock": str(clock),
        "clocks": CLOCKS,
        "since": f"{since:%Y-%m-%d}",
        "last": f"{last:%Y-%m-%d}",
        "panels": _statement(rows, time=TIMES[clock], since=since, until=last + timedelta(days=1)),
    }
    return TemplateResponse(request, "backoffice/customer_statement.html", context)


def _period(request: HttpRequest) -> tuple[datetime, datetime]:
    """The first and the last day. Raises Http404 for what is no day."""
    today = timezone.now().astimezone(UTC).date()
    given = (request.GET.get("from") or f"{today.replace(day=1)}", request.GET.get("to") or f"{today}")
    try:
        since, last = (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) for day in given)
        check_moment("from", since)
        check_moment("to", last)
    except (ValueError, InvalidValue):
        raise Http404 from None
    return since, last


def _statement(rows: QuerySet[Any], *, time: str, since: datetime, until: datetime) -> list[Panel]:
    """Opening, change and closing of each unit, and the entries between."""
    period = rows.filter(**{f"{time}__gte": since, f"{time}__lt": until})
    opening, moved = _sums(rows.filter(**{f"{time}__lt": since})), _sums(period)
    # Only where the period reaches today: an expiry is an entry of its own once it is written.
    due = _due(rows) if until > timezone.now() else {}
    sums = []
    for unit in sorted({*opening, *moved}):
        before, change = opening.get(unit, Decimal(0)), moved.get(unit, Decimal(0))
        sums.append((unit, money(before, unit), money(change, unit), money(before + change, unit), money(due.get(unit, Decimal(0)), unit)))
    entries = list(period.select_related("grant").order_by(time, "id")[: MAX_STATEMENT + 1])
    lines = [
        (
            local_time(getattr(row, time)),
            row_link(row, row.get_kind_display()),
            row_link(row.grant, row.grant.name),
            row.invoice_id or "-",
            effect(row.effect, row.unit),
        )
        for row in entries[:MAX_STATEMENT]
    ]
    headers = ("Unit", "Opening", "Moved", "Closing", "Of which expired, not yet written off")
    return [
        Panel("Balances", headers, sums, empty="Nothing in any unit."),
        Panel("Entries", ("When", "Entry", "Grant", "Invoice", "Change"), lines, empty="None in this period.", note=_note(entries)),
    ]


def _due(rows: QuerySet[Any]) -> Mapping[str, Decimal]:
    """What is left of grants whose last day is over, and which the daily job has not expired yet."""
    over = rows.filter(grant__status=GrantStatus.OPEN, grant__expiry_date__lt=TODAY)
    return _sums(over)


def _note(entries: list[Any]) -> str:
    return f"The first {MAX_STATEMENT}; choose a shorter period for the rest." if len(entries) > MAX_STATEMENT else ""


def _sums(rows: QuerySet[Any]) -> Mapping[str, Decimal]:
    return dict(rows.order_by().values_list("unit").annotate(total=Sum("effect")))
