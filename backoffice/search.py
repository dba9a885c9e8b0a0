"""The rows that the command palette finds: a reference, an invoice, a customer or an agent, in any ledger."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from backoffice.customer_links import customer_url
from backoffice.models import Customer
from credits.models import Grant
from kernel.ledger.admin import LedgerAdmin
from kernel.tenants.admin import ReadOnly
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

# Rows of one model; its list has the rest.
MAX_PER_MODEL = 5


def find_rows(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows that have exactly this value in one of the columns that their list searches. Case matters."""
    if "\0" in term:
        return []
    pages = [page for page in admin.site._registry.values() if isinstance(page, ReadOnly) and getattr(page, "in_sidebar", True)]
    results = find_customers(request, term)
    for page in pages:
        if page.has_view_permission(request) and page.get_search_fields(request):
            results += _rows_of(request, page, term)
    return results


def find_customers(request: HttpRequest, term: str) -> list[SearchResult]:
    """Customers whose id or name has the text in it, upper or lower case, and the customers with exactly this id."""
    if not request.user.has_perm("credits.view_grant"):
        return []
    scope = scope_of(request.user)
    named = scope.limit(Customer.objects.filter(Q(name__icontains=term) | Q(customer_id__icontains=term)))
    found = {(row.tenant_id, row.customer_id): row.name for row in named[:MAX_PER_MODEL]}
    for tenant_id in (
        scope.limit(Grant.objects.filter(tenant__in=Tenant.objects.all(), customer_id=term))
        .order_by()
        .values_list("tenant_id", flat=True)
        .distinct()[:MAX_PER_MODEL]
    ):
        found.setdefault((tenant_id, term), "")
    return [
        SearchResult(
            title=name or customer_id, description=f"Customer {customer_id}", link=customer_url(tenant_id, customer_id), icon="group"
        )
        for (tenant_id, customer_id), name in found.items()
    ]


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
