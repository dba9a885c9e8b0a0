"""Filters of the credits ledger's lists."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from credits.choices import GrantStatus
from credits.selectors.database_now import TODAY


class GrantStatusFilter(admin.SimpleListFilter):
    """The status of grants today: an open one past its last day is expired."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in GrantStatus]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value, is_over = self.value(), models.Q(status=GrantStatus.OPEN, expiry_date__lt=TODAY)
        if value == GrantStatus.OPEN:
            return queryset.filter(status=value).exclude(is_over)
        if value == GrantStatus.EXPIRED:
            return queryset.filter(models.Q(status=value) | is_over)
        return queryset.filter(status=value) if value in GrantStatus.values else queryset
