"""Filters of metering's lists, and the times after which the dashboard names what they show."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from metering.choices import Status

# How long an estimate may wait for its actual cost before the dashboard names it.
ESTIMATE_OVERDUE_AFTER = timedelta(days=7)
# How long a transaction may stay authorized before the dashboard names it.
STALE_AFTER = timedelta(days=1)


class StaleFilter(admin.SimpleListFilter):
    title = "waits"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("day", "Authorized for a day or more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "day":
            return queryset
        return queryset.filter(status=Status.AUTHORIZED, created_at__lt=timezone.now() - STALE_AFTER)


class EstimateFilter(admin.SimpleListFilter):
    title = "estimates"
    parameter_name = "estimates"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Still estimated in part"), ("overdue", f"Estimated in part, after {ESTIMATE_OVERDUE_AFTER.days} days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "overdue":
            return queryset.filter(estimated__gt=0, starts_at__lt=timezone.now() - ESTIMATE_OVERDUE_AFTER)
        return queryset.filter(estimated__gt=0) if self.value() == "open" else queryset
