"""The rows that the command palette finds: a reference, an invoice, a customer or an agent, in any ledger."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from kernel.ledger.admin import LedgerAdmin
from kernel.tenants.admin import ReadOnly

# Rows of one model; its list has the rest.
MAX_PER_MODEL = 5


def find_rows(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows that have exactly this value in one of the columns that their list searches. Case matters."""
    if "\0" in term:
        return []
    pages = [page for page in admin.site._registry.values() if isinstance(page, ReadOnly) and getattr(page, "in_sidebar", True)]
    results = []
    for page in pages:
        if page.has_view_permission(request) and page.get_search_fields(request):
            results += _rows_of(request, page, term)
    return results


def _rows_of(request: HttpRequest, page: Any, term: str) -> list[SearchResult]:
    rows = page.get_queryset(request)
    if isinstance(page, LedgerAdmin):
        rows, _ = page.get_search_results(request, rows, term)
    else:
        rows, _ = page.get_search_results(request, rows.order_by(), term)
    name = f"{page.opts.app_label}_{page.opts.model_name}"
    return [
        SearchResult(
            title=str(row),
            description=f"{page.opts.app_config.verbose_name} · {page.opts.verbose_name}",
            link=reverse(f"admin:{name}_change", args=(row.pk,)),
            icon=getattr(page, "icon", "table_rows"),
        )
        for row in rows[:MAX_PER_MODEL]
    ]
