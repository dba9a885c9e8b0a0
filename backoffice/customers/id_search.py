"""Finds customers by a part of their id: their list, the search of everything and the lists' `customer:` look here."""

from django.db.models import Q

from credits.models import Grant
from kernel.ledger.admin.text_conditions import begins, has_words
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants

# Found by the beginning of their id, at most.
MAX_IDS = 20


def customers_beginning_with(text: str, scope: VisibleTenants, tenants: Q | None = None) -> list[tuple[object, str]]:
    """Tenant and id of customers who have grants and whose id begins with the text."""
    found = scope.limit(Grant.objects.filter(begins("customer_id", text), tenant__in=Tenant.objects.all()))
    if tenants is not None:
        found = found.filter(tenants)
    return list(found.order_by("tenant_id", "customer_id").values_list("tenant_id", "customer_id").distinct()[:MAX_IDS])


def customers_containing(
    text: str, scope: VisibleTenants, tenants: Q, *, most: int, milliseconds: int
) -> tuple[list[tuple[object, str]], bool]:
    """Tenant and id of customers who have grants and each word of the text in their id.

    Also whether there was time to look at all of them.
    """
    found = scope.limit(Grant.objects.filter(tenants, has_words(("customer_id",), text), tenant__in=Tenant.objects.all()))
    try:
        with time_limit(milliseconds):
            return list(found.order_by().values_list("tenant_id", "customer_id").distinct()[:most]), True
    except TookTooLong:
        return [], False
