"""What /v1/analytics/summary, /chart and /leaderboards answer: usage and spend over time, from the rollups only. A month with a million
transactions has a few thousand of them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth

from metering.choices import Grain
from metering.models import Rollup
from metering.selectors.rows import RowDict
from metering.selectors.transactions import service_id_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = {Grain.HOUR: HOUR, Grain.DAY: DAY}
# A step of charts that has no rollups of its own: it is summed from days.
MONTH = "month"
COUNTS = ("transactions", "succeeded", "failed", "denied", "cancelled")
# A chart has no more points than this.
MAX_POINTS = 1_500


def start_of(moment: datetime, step: timedelta) -> datetime:
    """The beginning of the hour or day (UTC) that a moment is in."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if step == DAY else day + (moment - day) // HOUR * HOUR


def end_of(moment: datetime, step: timedelta) -> datetime:
    """The end of the hour or day that a moment is in; the moment itself if it is one."""
    begun = start_of(moment, step)
    return begun if begun == moment else begun + step


def list_rollups(*, tenant_id: UUID, agent_id: UUID | None = None, service: str | None = None) -> QuerySet[Rollup]:
    conditions = Q(tenant_id=tenant_id)
    if agent_id is not None:
        conditions &= Q(agent_id=agent_id)
    if service is not None:
        conditions &= Q(service=service_id_of(tenant_id=tenant_id, name=service))
    return Rollup.objects.filter(conditions)


def in_span(*, since: datetime | None, until: datetime) -> Q:
    """The rollups that add up to a span of whole hours: the daily ones of its whole days, the hourly ones of the rest.

    Without `since` the span begins with the first day that has any.
    """
    last_day = start_of(until, DAY)
    by_hour, by_day = Q(grain=Grain.HOUR), Q(grain=Grain.DAY)
    if since is None:
        return (by_day & Q(starts_at__lt=last_day)) | (by_hour & Q(starts_at__gte=last_day, starts_at__lt=until))
    first_day = end_of(since, DAY)
    if first_day >= last_day:
        return by_hour & Q(starts_at__gte=since, starts_at__lt=until)
    edges = Q(starts_at__gte=since, starts_at__lt=first_day) | Q(starts_at__gte=last_day, starts_at__lt=until)
    return (by_day & Q(starts_at__gte=first_day, starts_at__lt=last_day)) | (by_hour & edges)


def get_summary(*, since: datetime | None, until: datetime, **filters: Any) -> RowDict:
    """Counts and costs of a span of whole hours. `filters`: tenant_id, and perhaps agent_id, service."""
    found = list_rollups(**filters).filter(in_span(since=since, until=until)).values("currency").order_by("currency")
    return _sum_currencies(found.annotate(**_sums()))


def list_chart_points(*, since: datetime, until: datetime, grain: str, **filters: Any) -> list[RowDict]:
    """Counts and costs of each hour, day or month (`grain`) of a span, with zeros where there are none. One query.

    `since` is the first moment of an hour, day or month. `filters` as in get_summary.
    """
    is_monthly = grain == MONTH
    rollups = list_rollups(**filters).filter(grain=Grain.DAY if is_monthly else grain, starts_at__gte=since, starts_at__lt=until)
    points: dict[datetime, list[RowDict]] = {}
    starts = TruncMonth("starts_at", tzinfo=UTC) if is_monthly else F("starts_at")
    for row in rollups.values("currency", start=starts).order_by("start", "currency").annotate(**_sums()):
        points.setdefault(row["start"], []).append(row)
    return [{"starts_at": start} | _sum_currencies(points.get(start, ())) for start in _starts(since, until, grain=grain)]


def _starts(since: datetime, until: datetime, *, grain: str) -> Iterator[datetime]:
    start = since
    while start < until:
        yield start
        start = start_of_month(start + timedelta(days=31)) if grain == MONTH else start + STEPS[Grain(grain)]


def count_points(since: datetime, until: datetime, *, grain: Grain) -> int:
    """How many hours or days a span touches."""
    step = STEPS[grain]
    return (end_of(until, step) - start_of(since, step)) // step


def start_of_month(moment: datetime) -> datetime:
    """The beginning of the month (UTC) that a moment is in."""
    return start_of(moment, DAY).replace(day=1)


def get_first_day(*, tenant_id: UUID) -> datetime | None:
    """The first day on which anything was metered."""
    found: RowDict = Rollup.objects.filter(tenant_id=tenant_id, grain=Grain.DAY).aggregate(first=Min("starts_at"))
    first: datetime | None = found["first"]
    return first


def list_leaders(*, by: str, since: datetime | None, until: datetime, currency: str, limit: int, **filters: Any) -> list[RowDict]:
    """The agents or services (`by`) that cost most in one currency; of equals, those with more transactions. One query."""
    names = ("agent_id", "agent__name") if by == "agent" else ("service_id", "service__name")
    found = list_rollups(**filters).filter(in_span(since=since, until=until)).values(*names)
    own = Q(currency=currency)
    sums = {name: Sum(name) for name in COUNTS}
    money = {name: Sum(name, filter=own, default=0) for name in ("amount", "estimated")}
    ranked = found.annotate(**sums, **money).order_by("-amount", "-transactions", names[0])[:limit]
    return [{"id": row[names[0]], "name": row[names[1]]} | row for row in ranked]


def _sum_currencies(rows: Iterable[RowDict]) -> RowDict:
    """Rows of sums by currency as one: counts over all currencies, costs for each that has any."""
    rows = list(rows)
    counts = {name: sum(row[name] for row in rows) for name in COUNTS}
    return counts | {"costs": [row | {"actual": row["amount"] - row["estimated"]} for row in rows if row["costs"]]}


def _sums() -> dict[str, Sum]:
    return {name: Sum(name) for name in (*COUNTS, "costs", "amount", "estimated")}
