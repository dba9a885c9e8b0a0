"""The time window that every list of entries begins with."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateTimeFilter

PARAMETER = "window"
DEFAULT = "30"
WINDOWS = {"today": "Today", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "365": "Last year", "all": "All time"}
# How far the clock of an application server may be behind the database's.
CLOCK_SLACK = timedelta(minutes=5)


def window_start(window: str) -> datetime | None:
    """When a window begins, by the reader's midnight; None for all time."""
    if window == "all":
        return None
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if window == "today" else midnight - timedelta(days=int(window) - 1)


def first_id(moment: datetime) -> UUID:
    """The lowest id that a row made at this moment can have: a UUIDv7 begins with its milliseconds."""
    milliseconds = max(int((moment - CLOCK_SLACK).timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80)


class WindowFilter(admin.SimpleListFilter):
    """Shows the last 30 days unless told otherwise. A search, or a range of one's own, looks through all time."""

    title = "book time"
    parameter_name = PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.fallback = "all" if _is_narrowed(request) else DEFAULT
        return list(WINDOWS.items())

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        chosen = self.value() or self.fallback
        for value, title in WINDOWS.items():
            yield {"selected": value == chosen, "query_string": changelist.get_query_string({PARAMETER: value}), "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or self.fallback
        start = window_start(value if value in WINDOWS else DEFAULT)
        if start is None:
            return queryset
        # The id is in the order of making and is what the list is ordered by: its index alone finds the window.
        return queryset.filter(id__gte=first_id(start), created_at__gte=start)


class MomentRangeFilter(RangeDateTimeFilter):
    """From one moment to another, in the reader's zone; a day without a time is from its beginning, or to its end."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        since, until = self._moment("from", "00:00:00"), self._moment("to", "23:59:59.999999")
        # By the ids as well: the list is ordered by them, so their index alone finds the range.
        if since is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": since}, id__gte=first_id(since))
        if until is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lte": until}, id__lt=first_id(until + 2 * CLOCK_SLACK))
        return queryset

    def _moment(self, end: str, default: str) -> datetime | None:
        day, time = (self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") or "" for part in (0, 1))
        try:
            return timezone.make_aware(datetime.fromisoformat(f"{day}T{time or default}"))
        except ValueError:
            return None


def _is_narrowed(request: HttpRequest) -> bool:
    given = request.GET
    return bool(given.get("q")) or any(name.startswith(("created_at_", "occurred_at_", "only_")) for name in given)
