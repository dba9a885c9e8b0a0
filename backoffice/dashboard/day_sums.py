"""What was billed, granted and consumed by day, for the dashboard. Days that are over are summed once, by a job; today when it is shown.

A sum has the day of book time and the day of world time, so it can be shown by either clock. Every figure is net of reversals; corrections
of balances are a figure of their own, neither billed nor granted nor consumed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from backoffice.models import ClosedDay, DaySum
from billing.choices import ADJUSTMENT
from billing.models import Transaction as BillingTransaction
from credits.choices import TransactionKind, UnitType
from credits.correction_kinds import ADJUSTED, EXTENDED
from credits.models import CreditTransaction
from credits.selectors.effects import EFFECT
from kernel.ledger.clocks import Clock
from kernel.ledger.moments import midnight
from kernel.ledger.money import MoneyField
from kernel.tenants.models import Tenant

FigureName = DaySum.FigureName
GRANTED = [TransactionKind.OPENING, TransactionKind.ROLLOVER]
DEBITS = [TransactionKind.DEBIT, TransactionKind.CONSUMPTION, TransactionKind.CAPTURE]
# The days that the dashboard shows, with today.
DAYS = 30
# Customers of a day that are stored by name: those who consumed most.
MAX_CUSTOMERS = 50
# A row's created_at is set before its transaction commits. A day is summed only this long after its end, when no such row is missing.
COMMIT_DELAY = timedelta(minutes=10)
DAY_OF = {Clock.BOOK: "day", Clock.WORLD: "occurred_on"}


def close_days(*, today: date | None = None) -> int:
    """Sum the last DAYS days that are over and not summed yet, the newest first. The number of days summed."""
    today = today or timezone.now().astimezone(UTC).date()
    wanted = [today - timedelta(days=number) for number in range(1, DAYS)]
    closed = set(ClosedDay.objects.filter(day__in=wanted).values_list("day", flat=True))
    due = [day for day in wanted if day not in closed and midnight(day) + timedelta(days=1) + COMMIT_DELAY <= timezone.now()]
    for day in due:
        with transaction.atomic():
            if ClosedDay.objects.bulk_create([ClosedDay(day=day)], ignore_conflicts=True):
                DaySum.objects.bulk_create([DaySum(**row) for row in day_rows(day)], ignore_conflicts=True, batch_size=1000)
    return len(due)


def day_rows(day: date) -> list[dict[str, Any]]:
    """The DaySum rows of one day of book time: totals by tenant, unit, figure and day of world time, and who consumed most."""
    return [*_billed(day), *_credit(day)]


def _rows(model: Any, day: date) -> QuerySet[Any]:
    """The day's rows. Names every tenant, because the indexes begin with the tenant."""
    since = midnight(day)
    rows = model.objects.filter(tenant__in=Tenant.objects.all(), created_at__gte=since, created_at__lt=since + timedelta(days=1))
    occurred_on = TruncDate("occurred_at", tzinfo=UTC)
    return rows.order_by().annotate(occurred_on=occurred_on)


# The condition that an entry takes what was billed, or gives it back. A reversal of a credit takes, and bills nothing.
TAKES_OR_GIVES_BACK = Q(reverses__isnull=True, effect__lt=0) | Q(reverses__isnull=False, effect__gt=0)
# What an entry adds to what was billed: a debit its amount. A reversal of a debit takes it away again, one of a credit adds nothing.
BILLED_AMOUNT = Case(
    When(TAKES_OR_GIVES_BACK, then=-F("effect")),
    default=Value(Decimal(0)),
    output_field=MoneyField(),
)


def _billed(day: date) -> list[dict[str, Any]]:
    """What was taken from wallets, less what was reversed of it; and what corrections changed."""
    rows = _rows(BillingTransaction, day).filter(Q(effect__lt=0) | Q(reverses__isnull=False) | Q(type=ADJUSTMENT))
    by_figure = rows.annotate(
        figure=Case(When(type=ADJUSTMENT, then=Value(FigureName.WALLET_ADJUSTED)), default=Value(FigureName.BILLED)),
        change=Case(When(type=ADJUSTMENT, then=F("effect")), default=BILLED_AMOUNT, output_field=MoneyField()),
    )
    sums = by_figure.values("tenant_id", "currency", "figure", "occurred_on").annotate(total=Sum("change"), entries=Count("id"))
    return [
        {
            "day": day,
            "unit": row["currency"],
            "amount": row["total"],
            "customer_id": "",
            **{name: row[name] for name in ("tenant_id", "figure", "occurred_on", "entries")},
        }
        for row in sums
    ]


# What corrections post has a member of staff as its actor, which no caller of the API can be. A caller may choose any key, so the ending of
# a key tells kinds of corrections apart only where staff posted.
BY_STAFF = "staff:"
# A reversal counts where the transaction that it reverses counts.
ADJUSTMENTS = (
    Q(kind=TransactionKind.CREDIT)
    | Q(kind=TransactionKind.DEBIT, actor__startswith=BY_STAFF, idempotency_key__regex=ADJUSTED)
    | Q(reverses__kind=TransactionKind.CREDIT)
    | Q(reverses__kind=TransactionKind.DEBIT, reverses__actor__startswith=BY_STAFF, reverses__idempotency_key__regex=ADJUSTED)
)
CONSUMED = Q(kind__in=[*DEBITS, TransactionKind.REINSTATEMENT]) | Q(reverses__kind__in=[*DEBITS, TransactionKind.REINSTATEMENT])
# Which figure a credit transaction counts in; empty: in none.
CREDIT_FIGURE = Case(
    # A grant that takes another's place grants nothing anew.
    When(Q(kind=TransactionKind.OPENING, actor__startswith=BY_STAFF, grant__idempotency_key__endswith=EXTENDED), then=Value("")),
    When(Q(kind__in=GRANTED), then=Value(FigureName.GRANTED)),
    When(ADJUSTMENTS, then=Value(FigureName.CREDIT_ADJUSTED)),
    When(CONSUMED, then=Value(FigureName.CONSUMED)),
    default=Value(""),
)


def _credit(day: date) -> list[dict[str, Any]]:
    sums = (
        _rows(CreditTransaction, day)
        .annotate(
            unit=Case(When(grant__unit_type=UnitType.METRIC, then=F("grant__metric_id")), default=F("grant__currency")),
            figure=CREDIT_FIGURE,
        )
        .exclude(figure="")
        .values("tenant_id", "unit", "figure", "customer_id", "occurred_on")
        .annotate(total=Sum(EFFECT), entries=Count("id"))
    )
    statement, parameters = sums.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(ADDED_UP.format(sums=statement), [*parameters, FigureName.CONSUMED, MAX_CUSTOMERS])
        return [_row(day, row) for row in cursor.fetchall()]


# Without customers, and who consumed most: added up here, because a day can have as many sums as customers.
ADDED_UP = """
WITH of_customers AS ({sums})
(SELECT tenant_id, unit, figure, '', occurred_on, sum(entries)::bigint, sum(total) FROM of_customers GROUP BY 1, 2, 3, 4, 5)
UNION ALL
(SELECT tenant_id, unit, figure, customer_id, NULL::date, sum(entries)::bigint, sum(total) FROM of_customers
WHERE figure = %s AND customer_id <> '' GROUP BY 1, 2, 3, 4, 5 ORDER BY sum(total), customer_id LIMIT %s)
"""


def _row(day: date, sums: Sequence[Any]) -> dict[str, Any]:
    tenant_id, unit, figure, customer_id, occurred_on, entries, total = sums
    return {
        "tenant_id": tenant_id,
        "day": day,
        "occurred_on": occurred_on or day,
        "unit": unit,
        "figure": figure,
        "customer_id": customer_id,
        "entries": entries,
        # What is consumed is taken from grants, and counted as positive.
        "amount": -total if figure == FigureName.CONSUMED else total,
    }


def by_day(*, since: date, today: date, tenant_ids: Iterable[Any] | None) -> tuple[list[Mapping[str, Any]], int]:
    """Rows of day, occurred_on, unit, figure, customer_id and amount booked from `since` to today, of these tenants (None: all).

    Also the number of days that are missing because the job that sums them hasn't run yet. Yesterday is summed here until it has.
    """
    stored = DaySum.objects.filter(day__gte=since, day__lt=today)
    if tenant_ids is not None:
        stored = stored.filter(tenant_id__in=tenant_ids)
    closed = set(ClosedDay.objects.filter(day__gte=since, day__lt=today).values_list("day", flat=True))
    rows: list[Mapping[str, Any]] = list(stored.values("tenant_id", "day", "occurred_on", "unit", "figure", "customer_id", "amount"))
    yesterday = today - timedelta(days=1)
    live = [day for day in (yesterday, today) if day >= since and day not in closed]
    for day in live:
        rows += [row for row in day_rows(day) if tenant_ids is None or row["tenant_id"] in tenant_ids]
    return rows, (today - since).days + 1 - len(closed) - len(live)


def total(rows: Iterable[Mapping[str, Any]], *, figure: str, since: date, clock: str = Clock.BOOK) -> dict[str, Decimal]:
    """The sum of a figure from a day on, by unit."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["figure"] == figure and not row["customer_id"] and row[DAY_OF[Clock(clock)]] >= since:
            sums[row["unit"]] = sums.get(row["unit"], Decimal(0)) + row["amount"]
    return sums
