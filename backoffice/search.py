"""The command palette: an id, a reference, an invoice, a customer or an agent leads to its page, whichever ledger it is in."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from kernel.ledger.admin import LedgerAdmin
from kernel.tenants.admin import ReadOnly

# Of each kind of row; the list itself has the rest.
MOST_OF_EACH = 5


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows with exactly this value in one of the columns that their lists search."""
    # The palette asks in lower case; references and customers are what they are.
    wanted = request.GET.get("s", term).strip()
    if not wanted or "\0" in wanted:
        return []
    pages = [page for page in admin.site._registry.values() if isinstance(page, ReadOnly) and getattr(page, "in_sidebar", True)]
    found = []
    for page in pages:
        if page.has_view_permission(request) and page.get_search_fields(request):
            found += _rows(request, page, wanted)
    return found


def _rows(request: HttpRequest, page: Any, term: str) -> list[SearchResult]:
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
        for row in rows[:MOST_OF_EACH]
    ]
