"""Credit by day: closed days from their sums, today from the book."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, Q, Sum, Value, When
from django.utils import timezone

from backoffice.models import ClosedDay, CreditDay
from credits.choices import TransactionKind, UnitType
from credits.models import CreditTransaction
from kernel.ledger.money import MoneyField
from kernel.tenants.models import Tenant

GRANTED = [TransactionKind.OPENING, TransactionKind.ROLLOVER]
DRAWN = [TransactionKind.DEBIT, TransactionKind.CONSUMPTION, TransactionKind.CAPTURE]
# Seconds that a reader waits for days to be summed.
PATIENCE = 1.0
# Of a day's customers, those worth remembering by name.
MOST_CUSTOMERS = 50
# A posting's book time is set before it commits; so long after midnight none of yesterday's is still on its way.
SETTLED_AFTER = timedelta(minutes=10)


def close_days(*, since: date, today: date, seconds: float = 60) -> int:
    """Sum days from `since` that are over and not summed yet, the newest first, until `seconds` have passed; how many are left."""
    wanted = [today - timedelta(days=number) for number in range(1, (today - since).days + 1)]
    known = set(ClosedDay.objects.filter(day__in=wanted).values_list("day", flat=True))
    due = [day for day in wanted if day not in known and _midnight(day) + timedelta(days=1) + SETTLED_AFTER <= timezone.now()]
    deadline = monotonic() + seconds
    for done, day in enumerate(due):
        if monotonic() > deadline:
            return len(due) - done
        with transaction.atomic():
            if ClosedDay.objects.bulk_create([ClosedDay(day=day)], ignore_conflicts=True):
                CreditDay.objects.bulk_create([CreditDay(**row) for row in day_rows(day)], ignore_conflicts=True, batch_size=1000)
    return 0


def day_rows(day: date) -> list[dict[str, Any]]:
    """What the book says of a day, in one pass: totals, and the largest customers by what they consumed."""
    since = _midnight(day)
    # Every tenant named, because the indices begin with it.
    rows = CreditTransaction.objects.filter(
        tenant__in=Tenant.objects.all(), created_at__gte=since, created_at__lt=since + timedelta(days=1)
    ).order_by()
    granted = Q(kind__in=GRANTED)
    # What was drawn, and what was given back of it.
    consumed = Q(kind__in=[*DRAWN, TransactionKind.REINSTATEMENT]) | Q(kind=TransactionKind.REVERSAL, reverses__kind__in=DRAWN)
    effect = Case(When(type="CREDIT", then=F("amount")), default=-F("amount"), output_field=MoneyField())
    sums = (
        rows.filter(granted | consumed)
        .annotate(
            unit=Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency")),
            measure=Case(When(granted, then=Value(CreditDay.Measure.GRANTED)), default=Value(CreditDay.Measure.CONSUMED)),
        )
        .values("tenant_id", "unit", "measure", "customer_id")
        .annotate(total=Sum(effect), entries=Count("id"))
    )
    by_customer = [_row(day, row) for row in sums]
    return [*_totals(by_customer), *_leaders(by_customer)]


def _row(day: date, sums: Mapping[str, Any]) -> dict[str, Any]:
    sign = -1 if sums["measure"] == CreditDay.Measure.CONSUMED else 1
    names = ("tenant_id", "unit", "measure", "customer_id", "entries")
    return {"day": day, "amount": sign * sums["total"], **{name: sums[name] for name in names}}


def _totals(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for all customers of each tenant, unit and measure."""
    totals: dict[Any, dict[str, Any]] = {}
    for row in rows:
        own = totals.setdefault(
            (row["tenant_id"], row["unit"], row["measure"]), {**row, "customer_id": "", "entries": 0, "amount": Decimal(0)}
        )
        own["entries"] += row["entries"]
        own["amount"] += row["amount"]
    return list(totals.values())


def _leaders(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    consumed = [row for row in rows if row["measure"] == CreditDay.Measure.CONSUMED and row["customer_id"]]
    return sorted(consumed, key=lambda row: row["amount"], reverse=True)[:MOST_CUSTOMERS]


def by_day(*, since: date, today: date, tenant_ids: Iterable[Any] | None) -> tuple[list[Mapping[str, Any]], int]:
    """Rows of day, unit, measure, customer_id and amount from `since` to today, over the tenants given (None: all).

    And how many days are not among them yet: a book of millions that was just brought in is summed over a few openings of the page.
    """
    missing = close_days(since=since, today=today, seconds=PATIENCE)
    closed = CreditDay.objects.filter(day__gte=since, day__lt=today)
    if tenant_ids is not None:
        closed = closed.filter(tenant_id__in=tenant_ids)
    known = set(ClosedDay.objects.filter(day__gte=since).values_list("day", flat=True))
    rows: list[Mapping[str, Any]] = list(closed.values("tenant_id", "day", "unit", "measure", "customer_id", "amount"))
    yesterday = today - timedelta(days=1)
    settles_yet = yesterday >= since and yesterday not in known and _midnight(today) + SETTLED_AFTER > timezone.now()
    for day in (yesterday, today) if settles_yet else (today,):
        rows += [row for row in day_rows(day) if tenant_ids is None or row["tenant_id"] in tenant_ids]
    return rows, missing


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def total(rows: Iterable[Mapping[str, Any]], *, measure: str, since: date) -> dict[str, Decimal]:
    """The sum of a measure from a day on, for each unit."""
    found: dict[str, Decimal] = {}
    for row in rows:
        if row["measure"] == measure and not row["customer_id"] and row["day"] >= since:
            found[row["unit"]] = found.get(row["unit"], Decimal(0)) + row["amount"]
    return found
