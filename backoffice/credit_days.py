"""Credit granted and consumed by day, for the dashboard. Days that are over are summed once, by a job; today is summed when it is shown."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
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
DEBITS = [TransactionKind.DEBIT, TransactionKind.CONSUMPTION, TransactionKind.CAPTURE]
# The days that the dashboard shows, with today.
DAYS = 30
# Customers of a day that are stored by name: those who consumed most.
MAX_CUSTOMERS = 50
# A row's created_at is set before its transaction commits. A day is summed only this long after its end, when no such row is missing.
COMMIT_DELAY = timedelta(minutes=10)


def close_days(*, today: date | None = None) -> int:
    """Sum the last DAYS days that are over and not summed yet, the newest first. The number of days summed."""
    today = today or timezone.now().astimezone(UTC).date()
    wanted = [today - timedelta(days=number) for number in range(1, DAYS)]
    closed = set(ClosedDay.objects.filter(day__in=wanted).values_list("day", flat=True))
    due = [day for day in wanted if day not in closed and _midnight(day) + timedelta(days=1) + COMMIT_DELAY <= timezone.now()]
    for day in due:
        with transaction.atomic():
            if ClosedDay.objects.bulk_create([ClosedDay(day=day)], ignore_conflicts=True):
                CreditDay.objects.bulk_create([CreditDay(**row) for row in day_rows(day)], ignore_conflicts=True, batch_size=1000)
    return len(due)


def day_rows(day: date) -> list[dict[str, Any]]:
    """The CreditDay rows of one day: totals by tenant, unit and measure, and the customers who consumed most."""
    since = _midnight(day)
    # Names every tenant, because the indexes begin with the tenant.
    rows = CreditTransaction.objects.filter(
        tenant__in=Tenant.objects.all(), created_at__gte=since, created_at__lt=since + timedelta(days=1)
    ).order_by()
    granted = Q(kind__in=GRANTED)
    # Debits, less what was reinstated or reversed of them.
    consumed = Q(kind__in=[*DEBITS, TransactionKind.REINSTATEMENT]) | Q(kind=TransactionKind.REVERSAL, reverses__kind__in=DEBITS)
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
    """One row for all customers together, by tenant, unit and measure."""
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
    return sorted(consumed, key=lambda row: row["amount"], reverse=True)[:MAX_CUSTOMERS]


def by_day(*, since: date, today: date, tenant_ids: Iterable[Any] | None) -> tuple[list[Mapping[str, Any]], int]:
    """Rows of day, unit, measure, customer_id and amount from `since` to today, of these tenants (None: all).

    Also the number of days that are missing because the job that sums them hasn't run yet. Yesterday is summed here until it has.
    """
    stored = CreditDay.objects.filter(day__gte=since, day__lt=today)
    if tenant_ids is not None:
        stored = stored.filter(tenant_id__in=tenant_ids)
    closed = set(ClosedDay.objects.filter(day__gte=since, day__lt=today).values_list("day", flat=True))
    rows: list[Mapping[str, Any]] = list(stored.values("tenant_id", "day", "unit", "measure", "customer_id", "amount"))
    yesterday = today - timedelta(days=1)
    live = [day for day in (yesterday, today) if day >= since and day not in closed]
    for day in live:
        rows += [row for row in day_rows(day) if tenant_ids is None or row["tenant_id"] in tenant_ids]
    return rows, (today - since).days + 1 - len(closed) - len(live)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def total(rows: Iterable[Mapping[str, Any]], *, measure: str, since: date) -> dict[str, Decimal]:
    """The sum of a measure from a day on, by unit."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["measure"] == measure and not row["customer_id"] and row["day"] >= since:
            sums[row["unit"]] = sums.get(row["unit"], Decimal(0)) + row["amount"]
    return sums
