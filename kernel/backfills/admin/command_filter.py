"""The filter of runs and uploaded files by what their rows are."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.backfills.known_commands import known_adapters, title_of


class CommandFilter(admin.SimpleListFilter):
    title = "its rows are"
    parameter_name = "command"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(command, title_of(command)) for command in known_adapters()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(command=self.value()) if self.value() else queryset
