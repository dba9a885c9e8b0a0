"""The admin's base for every row of a ledger: read-only, and a list that opens as fast over five million rows as over five."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import connections, models
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from kernel.ledger.money import MoneyField, grouped
from kernel.tenants.admin import ReadOnly

# Rows that are counted one by one; beyond, the number is an estimate or "more than".
MOST_COUNTED = 10_000
# A page further back is reached by OFFSET, whose cost grows with the distance: narrow the list instead.
MOST_PAGES = 100


class EstimatingPaginator(Paginator):
    """Counts few rows exactly, all rows by the planner's estimate, and filtered ones up to MOST_COUNTED."""

    template_name = "ledger/pagination.html"

    @cached_property
    def count(self) -> int:
        return self._estimate or self._counted

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MOST_PAGES)

    @property
    def shown_count(self) -> str:
        """The count in words that don't promise more than is known."""
        if self._estimate:
            return f"about {self._estimate:,}"
        return f"more than {MOST_COUNTED:,}" if self._counted > MOST_COUNTED else f"{self._counted:,}"

    @property
    def is_capped(self) -> bool:
        """True if there are rows that no page number reaches."""
        return self.count > self.num_pages * self.per_page

    @cached_property
    def _counted(self) -> int:
        return self.object_list.order_by()[: MOST_COUNTED + 1].count()

    @cached_property
    def _estimate(self) -> int:
        """What the planner believes the whole table to hold; 0 if it is small, was never analysed, or rows are filtered out."""
        query = self.object_list.query
        if query.where or query.distinct or query.is_sliced:
            return 0
        connection = connections[self.object_list.db]
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(query.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            rows = cursor.fetchone()[0]
        return rows if rows > MOST_COUNTED else 0


def money(amount: Decimal | None, currency: str = "") -> SafeString | str:
    """An amount flush right with its currency."""
    if amount is None:
        return "-"
    return format_html('<span class="money">{} <span>{}</span></span>', grouped(amount, currency), currency)


class LedgerAdmin(ReadOnly, ModelAdmin):
    """Pages of an append-only table, newest first. A subclass names `list_display`; what else it may name:

    `search_fields`: columns searched for exactly what was typed, each with an index (no prefixes, no substrings). `currency_path`: where a
    row's currency is (`currency`, or through a relation `grant.currency`). `icon`: its Material symbol in the sidebar.
    """

    paginator = EstimatingPaginator
    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    # By the primary key: UUIDv7 is in order of making, and has an index of its own.
    ordering = ("-id",)
    search_fields: tuple[str, ...] = ("id",)
    currency_path = "currency"
    icon = "receipt_long"

    @property
    def search_help_text(self) -> str:
        return f"Exactly this {' or '.join(self.model._meta.get_field(name).verbose_name for name in self.search_fields)}"

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, search_term: str) -> tuple[models.QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        matches = [models.Q(**{name: term}) for name in self.search_fields if _can_equal(queryset, name, term)]
        if not matches:
            return queryset.none(), False
        condition = matches[0]
        for match in matches[1:]:
            condition |= match
        return queryset.filter(condition), False

    def shown_as(self, field: models.Field) -> Callable[[Any], Any] | None:
        if isinstance(field, MoneyField):
            return lambda row: money(getattr(row, field.attname), self.currency_of(row))
        return super().shown_as(field)

    def currency_of(self, row: models.Model) -> str:
        """The row's currency code, empty where it has none."""
        found: Any = row
        for name in self.currency_path.split("."):
            found = getattr(found, name, "")
        return found or ""


def _can_equal(queryset: models.QuerySet, name: str, term: str) -> bool:
    """Whether a column of this type can hold the term at all: an id column refuses what is no UUID."""
    try:
        queryset.filter(**{name: term})
    except (ValidationError, ValueError, TypeError):
        return False
    return True
