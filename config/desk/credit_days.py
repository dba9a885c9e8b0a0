"""Credit by day: closed days from their sums, today from the book."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, F, Q, Sum, When
from django.utils import timezone

from config.desk.models import ClosedDay, CreditDay
from credits.choices import TransactionKind, UnitType
from credits.models import CreditTransaction
from kernel.ledger.money import MoneyField
from kernel.tenants.models import Tenant

GRANTED = [TransactionKind.OPENING, TransactionKind.ROLLOVER]
DRAWN = [TransactionKind.DEBIT, TransactionKind.CONSUMPTION, TransactionKind.CAPTURE]
# Of a day's customers, those worth remembering by name.
MOST_CUSTOMERS = 50
# A posting's book time is set before it commits; so long after midnight none of yesterday's is still on its way.
SETTLED_AFTER = timedelta(minutes=10)


def close_days(*, since: date, today: date) -> int:
    """Sum every day from `since` that is over and not summed yet; how many those were."""
    wanted = [since + timedelta(days=number) for number in range((today - since).days)]
    known = set(ClosedDay.objects.filter(day__in=wanted).values_list("day", flat=True))
    due = [day for day in wanted if day not in known and _midnight(day) + timedelta(days=1) + SETTLED_AFTER <= timezone.now()]
    for day in due:
        with transaction.atomic():
            if ClosedDay.objects.bulk_create([ClosedDay(day=day)], ignore_conflicts=True):
                CreditDay.objects.bulk_create([CreditDay(**row) for row in day_rows(day)], ignore_conflicts=True, batch_size=1000)
    return len(due)


def day_rows(day: date) -> list[dict[str, Any]]:
    """What the book says of a day: totals, and the largest customers by what they consumed."""
    since = _midnight(day)
    # Every tenant named, because the indices begin with it.
    rows = CreditTransaction.objects.filter(
        tenant__in=Tenant.objects.all(), created_at__gte=since, created_at__lt=since + timedelta(days=1)
    ).order_by()
    found = [
        *_summed(rows.filter(kind__in=GRANTED), measure=CreditDay.Measure.GRANTED, by=()),
        *_summed(rows.filter(_consumed()), measure=CreditDay.Measure.CONSUMED, by=()),
        *_summed(rows.filter(_consumed()), measure=CreditDay.Measure.CONSUMED, by=("customer_id",))[:MOST_CUSTOMERS],
    ]
    return [{**row, "day": day} for row in found]


def _consumed() -> Q:
    """What was drawn, and what was given back of it."""
    return Q(kind__in=DRAWN) | Q(kind=TransactionKind.REINSTATEMENT) | Q(kind=TransactionKind.REVERSAL, reverses__kind__in=DRAWN)


def _summed(rows: Any, *, measure: str, by: Iterable[str]) -> list[dict[str, Any]]:
    sign = -1 if measure == CreditDay.Measure.CONSUMED else 1
    effect = Case(When(type="CREDIT", then=F("amount")), default=-F("amount"), output_field=MoneyField())
    unit = Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency"))
    sums = rows.annotate(unit=unit).values("tenant_id", "unit", *by).annotate(total=Sum(effect), entries=Count("id"))
    found = [
        {
            "tenant_id": row["tenant_id"],
            "unit": row["unit"],
            "customer_id": row.get("customer_id", ""),
            "measure": measure,
            "entries": row["entries"],
            "amount": sign * row["total"],
        }
        for row in sums
    ]
    return sorted(found, key=lambda row: row["amount"], reverse=True)


def by_day(*, since: date, today: date, tenant_ids: Iterable[Any] | None) -> list[Mapping[str, Any]]:
    """Rows of day, unit, measure, customer_id and amount from `since` to today, over the tenants given (None: all)."""
    close_days(since=since, today=today)
    closed = CreditDay.objects.filter(day__gte=since, day__lt=today)
    if tenant_ids is not None:
        closed = closed.filter(tenant_id__in=tenant_ids)
    known = set(ClosedDay.objects.filter(day__gte=since).values_list("day", flat=True))
    rows: list[Mapping[str, Any]] = list(closed.values("tenant_id", "day", "unit", "measure", "customer_id", "amount"))
    yesterday = today - timedelta(days=1)
    for day in (yesterday, today) if yesterday >= since and yesterday not in known else (today,):
        rows += [row for row in day_rows(day) if tenant_ids is None or row["tenant_id"] in tenant_ids]
    return rows


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def total(rows: Iterable[Mapping[str, Any]], *, measure: str, since: date) -> dict[str, Decimal]:
    """The sum of a measure from a day on, for each unit."""
    found: dict[str, Decimal] = {}
    for row in rows:
        if row["measure"] == measure and not row["customer_id"] and row["day"] >= since:
            found[row["unit"]] = found.get(row["unit"], Decimal(0)) + row["amount"]
    return found
