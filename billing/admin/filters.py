"""Filters of the list of entries."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.choices import Flag


class FlagFilter(admin.SimpleListFilter):
    """Transactions with a flag. A partial index holds only these."""

    title = "flag"
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any flag"), *Flag.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "any":
            return queryset.exclude(flags=[])
        return queryset.exclude(flags=[]).filter(flags__contains=[self.value()]) if self.value() in Flag.values else queryset


class ReversalFilter(admin.SimpleListFilter):
    title = "reversal"
    parameter_name = "reversal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("reversal", "Is a reversal"), ("reversed", "Was reversed in full"), ("partly", "Was reversed in part")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "reversal":
                return queryset.filter(reverses__isnull=False)
            case "reversed":
                return queryset.filter(reversed_by__isnull=False, reversed_amount__gt=0)
            case "partly":
                return queryset.filter(reversed_by__isnull=True, reversed_amount__gt=0)
        return queryset
