"""Filters of lists by time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateTimeFilter

from kernel.ledger.errors import InvalidValue
from kernel.ledger.holds import OPEN, OVERDUE, HoldStatus
from kernel.ledger.identifiers import CLOCK_SLACK, first_id
from kernel.ledger.moments import FIRST_DAY, LAST_DAY, check_moment

PARAMETER = "window"
DEFAULT = "30"
WINDOWS = {"today": "Today", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "365": "Last year", "all": "All time"}


def window_start(window: str) -> datetime | None:
    """When a window begins, at midnight in the reader's time zone; None for all time."""
    if window == "all":
        return None
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if window == "today" else midnight - timedelta(days=int(window) - 1)


class WindowFilter(admin.SimpleListFilter):
    """A window up to now, by default the last 30 days. With a search, or a range of another filter, the default is all time."""

    title = "book time"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.fallback = "all" if is_narrowed_by_time(request) else DEFAULT
        return list(WINDOWS.items())

    def choices(self, changelist: Any) -> Iterator[Any]:
        chosen = self.value() or self.fallback
        for value, title in WINDOWS.items():
            yield {"selected": value == chosen, "query_string": changelist.get_query_string({PARAMETER: value}), "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or self.fallback
        start = window_start(value if value in WINDOWS else DEFAULT)
        if start is None:
            return queryset
        # Ids sort by creation time, and the list is ordered by id: with a condition on the id, its index alone finds the window.
        return queryset.filter(id__gte=first_id(start), created_at__gte=start)


class MomentRangeFilter(RangeDateTimeFilter):
    """A range of moments of book time in the reader's time zone. A day without a time counts from its beginning, or up to its end."""

    # Whether ids sort by this time, so that a condition on them narrows the rows.
    has_order_of_ids = True
    title_of_clock = "time it was booked"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = self.title_of_clock

    def moments(self) -> tuple[datetime | None, datetime | None]:
        """The first and the last moment; None: no end. Raises ValueError, OverflowError, InvalidValue."""
        return self._moment("from", "00:00:00"), self._moment("to", "23:59:59.999999")

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        try:
            since, until = self.moments()
        except (ValueError, OverflowError, InvalidValue):
            text = f"The filter was removed: write days like 2026-11-30, from {FIRST_DAY} to {LAST_DAY}."
            messages.error(request, text, fail_silently=True)
            raise IncorrectLookupParameters from None
        # Also a condition on the id: see WindowFilter.
        if since is not None:
            ids = {"id__gte": first_id(since)} if self.has_order_of_ids else {}
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": since}, **ids)
        if until is not None:
            ids = {"id__lt": first_id(until + 2 * CLOCK_SLACK)} if self.has_order_of_ids else {}
            queryset = queryset.filter(**{f"{self.parameter_name}__lte": until}, **ids)
        return queryset

    def _moment(self, end: str, default: str) -> datetime | None:
        """One end of the range; None if it is empty. Raises ValueError, OverflowError, InvalidValue."""
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") or "" for part in (0, 1))
        if not day:
            return None
        moment = timezone.make_aware(datetime.fromisoformat(f"{day}T{time or default}"))
        check_moment(self.parameter_name, moment.astimezone(UTC))
        return moment


class WorldTimeFilter(MomentRangeFilter):
    """The same for a time that the caller states, which may be long before the row was recorded."""

    has_order_of_ids = False
    title_of_clock = "time it happened"


def is_narrowed_by_time(request: HttpRequest) -> bool:
    """Whether the list covers all time unless its window is chosen: it has a search, or a range of days."""
    return bool(request.GET.get("q")) or any(name.startswith(("created_at_", "occurred_at_")) for name in request.GET)


class HoldStatusFilter(admin.SimpleListFilter):
    """The status of holds at this moment: an overdue one is expired."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in HoldStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value == HoldStatus.ACTIVE:
            return queryset.filter(OPEN)
        if value == HoldStatus.EXPIRED:
            return queryset.filter(Q(status=value) | OVERDUE)
        return queryset.filter(status=value) if value in HoldStatus.values else queryset


class OpenHoldFilter(admin.SimpleListFilter):
    """Holds that reserve something now, by how long ago they were placed. A partial index has the active ones."""

    title = "open since"
    parameter_name = "open"
    ages: ClassVar[dict[str, tuple[str, timedelta]]] = {
        "any": ("Open", timedelta(0)),
        "hour": ("Open for an hour or more", timedelta(hours=1)),
        "day": ("Open for a day or more", timedelta(days=1)),
        "week": ("Open for a week or more", timedelta(days=7)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, title) for code, (title, _) in self.ages.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        code = self.value() or ""
        if code not in self.ages:
            return queryset
        return queryset.filter(OPEN, created_at__lte=timezone.now() - self.ages[code][1])
