"""The sums below a list: exact, or none. Few rows are summed with the list, more of them after it, by a request of their own.

Where a ledger stores sums by day, its list names them (`stored_sums`): with filters that these allow, any number of rows is summed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html

from kernel.ledger.admin.field_filters import COLUMNS, TenantFilter
from kernel.ledger.admin.filters import PARAMETER as WINDOW
from kernel.ledger.admin.filters import MomentRangeFilter, WindowFilter, is_narrowed_by_time, window_start
from kernel.ledger.admin.formatting import money
from kernel.ledger.admin.paging import MAX_COUNTED, EstimatingPaginator
from kernel.ledger.admin.searching import NEWEST
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.moments import midnight

# Rows that are summed after the list, and how long that may take.
MAX_SUMMED = 1_000_000
SUM_MS = 10_000
# Between a unit and the kind of a sum (`sum_kind` of a list). No unit has a control character.
KIND_SEPARATOR = "\x1f"
# Parameters of an address that choose no rows.
PRESENTATION = {COLUMNS, "o", "p"}
# The most months, or days, that a list with too many rows offers.
MAX_PERIODS = 31


@dataclass(frozen=True)
class StoredSums:
    """`days`: rows of the table of sums, of the wanted units and kinds, each of one UTC day. `unit` and `amount`: what of each is summed.

    `day`: its column of the day. `clock`: the column of the list's own table by whose days they are; empty: the list filters no days.
    """

    days: QuerySet[Any]
    unit: str
    amount: Any
    day: str = ""
    clock: str = ""


def chosen_filters(request: HttpRequest, known: set[str]) -> dict[str, str] | None:
    """What the address chooses, by parameter. None where it names anything but `known`, a tenant and days: a search, another filter."""
    values = {name: given for name, given in request.GET.lists() if any(given) and name not in PRESENTATION}
    days = {f"{clock}_{end}_{part}" for clock in ("created_at", "occurred_at") for end in ("from", "to") for part in (0, 1)}
    if not set(values) <= known | days | {WINDOW, "tenant"} or any(len(given) > 1 for given in values.values()):
        return None
    return {name: given[0].strip() for name, given in values.items()}


class SummingPaginator(EstimatingPaginator):
    """Counts what is filtered and sums it up in one query, over MAX_COUNTED rows at most. `amount` and `unit`: the columns."""

    amount: Any = ""
    unit: Any = None

    @cached_property
    def _counted(self) -> int:
        return sum(count for _, count, _ in self._by_unit) if self.amount else super()._counted

    @cached_property
    def _by_unit(self) -> list[tuple[str, int, Decimal]]:
        return sums_by_unit([(self._rows, self.unit, self.amount)], MAX_COUNTED)

    def foot(self) -> dict[str, Any] | None:
        """What stands below the list: the sum in each unit, or that they come later; None: nothing is summed."""
        if not self.amount:
            return None
        is_late = bool(self._estimate) or self._counted > MAX_COUNTED
        return {"is_late": True} if is_late else foot_of({unit: total for unit, _, total in self._by_unit})


def foot_of(sums: Mapping[str, Decimal], *, note: str = "") -> dict[str, Any]:
    # Rows without a unit have nothing to sum, such as calls without a cost.
    shown = [_sum_in_words(key, total) for key, total in sums.items() if key or total or len(sums) == 1]
    return {"note": note or ("Sum:" if len(shown) == 1 else "Sums:"), "sums": shown}


def _sum_in_words(key: str, total: Decimal) -> Any:
    """`key`: the unit, and perhaps the kind of the sum."""
    unit, _, kind = key.partition(KIND_SEPARATOR)
    return format_html("{} {}", money(total, unit), kind) if kind else money(total, unit)


def sums_by_unit(parts: list[tuple[QuerySet[Any], Any, Any]], most: int) -> list[tuple[str, int, Decimal]]:
    """Unit, number of rows and sum, in one statement and so at one moment. Of each part at most `most` + 1 rows are read."""
    statements: list[str] = []
    values: list[Any] = []
    for rows, unit, amount in parts:
        columns = rows.order_by().values_list(unit, models.F(amount) if isinstance(amount, str) else amount)[: most + 1]
        try:
            inner, parameters = columns.query.sql_with_params()
        except EmptyResultSet:
            continue
        statements.append(f"(SELECT unit, amount FROM ({inner}) AS part (unit, amount))")  # noqa: S608 - Django's own, with parameters
        values += parameters
    if not statements:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT unit, count(*), sum(amount) FROM ({' UNION ALL '.join(statements)}) AS filtered GROUP BY unit ORDER BY unit",  # noqa: S608
            values,
        )
        return cursor.fetchall()


def foot_of_long_list(changelist: Any) -> dict[str, Any]:
    """The same for a list of more rows: their sums, or that they are too many, with links to shorter periods."""
    page, rows, request = changelist.model_admin, changelist.queryset, changelist.request
    paginator = page.get_paginator(request, rows, 1)
    if not paginator.amount:
        return {"note": "There is nothing to sum."}
    try:
        with time_limit(SUM_MS):
            found = _from_stored(changelist, request) or _counted([(rows, paginator.unit, paginator.amount)])
    except TookTooLong:
        found = None
    if found is None:
        return {
            "note": f"No sum of more than {MAX_SUMMED:,} rows, or of what takes long: narrow the period.",
            "periods": _periods(changelist),
        }
    is_part = getattr(request, "is_search_of_newest", False)
    return foot_of(found, note=f"Sum of what was found in the newest {NEWEST:,} rows:" if is_part else "")


def _counted(parts: list[tuple[QuerySet[Any], Any, Any]]) -> dict[str, Decimal] | None:
    """None for too many rows."""
    found = sums_by_unit(parts, MAX_SUMMED)
    return {unit: total for unit, _, total in found} if sum(count for _, count, _ in found) <= MAX_SUMMED else None


def _from_stored(changelist: Any, request: HttpRequest) -> dict[str, Decimal] | None:
    """From stored sums; None where there are none of what is filtered. Of days that are not whole, the rows are added."""
    page = changelist.model_admin
    stored = page.stored_sums(request)
    if stored is None or (not is_narrowed_by_time(request) and request.GET.get(WINDOW) != "all") or request.GET.get(WINDOW, "all") != "all":
        return None
    days, edges = stored.days, Q(pk__in=[])
    for spec in changelist.filter_specs:
        if isinstance(spec, TenantFilter):
            days = spec.queryset(request, days)
    for spec in _ranges(changelist):
        if spec.parameter_name != stored.clock:
            return None
        first, until = _whole_days(*spec.moments())
        if first is not None:
            days, edges = days.filter(**{f"{stored.day}__gte": first.date()}), edges | Q(**{f"{stored.clock}__lt": first})
        if until is not None:
            days, edges = days.filter(**{f"{stored.day}__lt": until.date()}), edges | Q(**{f"{stored.clock}__gte": until})
    paginator = page.get_paginator(request, changelist.queryset, 1)
    return _counted([(days, stored.unit, stored.amount), (changelist.queryset.filter(edges), paginator.unit, paginator.amount)])


def _ranges(changelist: Any) -> list[MomentRangeFilter]:
    """The filters by days that are set."""
    return [spec for spec in changelist.filter_specs if isinstance(spec, MomentRangeFilter) and any(spec.moments())]


def _whole_days(since: datetime | None, last: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The first and, not included, the last midnight in UTC between two moments, of which the last one is included."""
    first = since and midnight((since + timedelta(days=1) - timedelta(microseconds=1)).astimezone(UTC).date())
    until = last and midnight((last + timedelta(microseconds=1)).astimezone(UTC).date())
    return first, max(until, first) if until and first else until


def _periods(changelist: Any) -> list[tuple[str, str]]:
    """Shorter periods of a list of entries, the newest first: months, or days of one month; each with its address."""
    if not issubclass(changelist.model, LedgerRow):
        return []
    clock, since, last = "created_at", None, None
    for spec in changelist.filter_specs:
        if isinstance(spec, WindowFilter):
            since = window_start(spec.value() or spec.fallback)
    for spec in _ranges(changelist):
        clock, (since, last) = spec.parameter_name, spec.moments()
    last = min(last or timezone.now(), timezone.now())
    is_short = since is not None and last - since < timedelta(days=32)
    return list(_links(changelist, clock, since, last, is_short=is_short))


def _links(changelist: Any, clock: str, since: datetime | None, last: datetime, *, is_short: bool) -> Iterator[tuple[str, str]]:
    day = timezone.localtime(last).date()
    first_of_all = timezone.localtime(since).date() if since else None
    if is_short and first_of_all == day:
        return
    for _ in range(MAX_PERIODS if is_short else 12):
        first = day if is_short else day.replace(day=1)
        start = max(first, first_of_all) if first_of_all else first
        wanted = {f"{clock}_from_0": start, f"{clock}_from_1": "00:00:00", f"{clock}_to_0": day, f"{clock}_to_1": "23:59:59"}
        yield f"{first}" if is_short else f"{first:%Y-%m}", changelist.get_query_string(wanted, [WINDOW])
        day = first - timedelta(days=1)
        if first_of_all and day < first_of_all:
            return
