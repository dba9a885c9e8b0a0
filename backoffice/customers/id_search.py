"""Finds customers by a part of their id: their list, the search of everything and the lists' `customer:` look here."""

from django.db.models import Q

from credits.models import Grant
from kernel.ledger.admin.text_conditions import begins, has_words
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants
from metering.choices import DIMENSIONS, SumGrain
from metering.models import UsageSum

# Who may see the customers of metered calls.
USAGE_PERMISSION = "metering.view_transaction"
# The sums of usage that are by customer alone.
BY_CUSTOMER = {"first_dimension": DIMENSIONS["customer"], "second_dimension": 0, "grain": SumGrain.MONTH}
# Found by the beginning of their id, at most.
MAX_IDS = 20


def customers_beginning_with(text: str, scope: VisibleTenants, tenants: Q | None = None) -> list[tuple[object, str]]:
    """Tenant and id of customers who have grants and whose id begins with the text."""
    found = scope.limit(Grant.objects.filter(begins("customer_id", text), tenant__in=Tenant.objects.all()))
    if tenants is not None:
        found = found.filter(tenants)
    return list(found.order_by("tenant_id", "customer_id").values_list("tenant_id", "customer_id").distinct()[:MAX_IDS])


def customers_containing(
    text: str, scope: VisibleTenants, tenants: Q, *, most: int, milliseconds: int, with_usage: bool
) -> tuple[list[tuple[object, str]], bool]:
    """Tenant and id of customers who have each word of the text in their id; `with_usage`: also of those who have metered calls only.

    Those are known by the sums of usage, which a job counts some minutes after a call. Each query takes at most so many `milliseconds`.
    Also whether there was time to look at all of them.
    """
    grants = Grant.objects.filter(tenants, has_words(("customer_id",), text), tenant__in=Tenant.objects.all())
    queries = [scope.limit(grants).order_by().values_list("tenant_id", "customer_id").distinct()]
    if with_usage:
        usage = UsageSum.objects.filter(tenants, has_words(("first",), text), tenant__in=Tenant.objects.all(), **BY_CUSTOMER)
        queries.append(scope.limit(usage).order_by().values_list("tenant_id", "first").distinct())
    found: list[tuple[object, str]] = []
    is_complete = True
    for query in queries:
        try:
            with time_limit(milliseconds):
                found += query[:most]
        except TookTooLong:
            is_complete = False
    return list(dict.fromkeys(found)), is_complete
