"""Announces grants that expire soon: writes their events, as early as the tenant's policy says (credits/services/settings.py)."""

from collections.abc import Iterator

from credits.models import Policy
from kernel.events.models import Listener
from kernel.ledger import queries

PAGE = 500
DEFAULT_EXPIRING_DAYS = 7
WRITE_EXPIRING = "SELECT credits_write_expiring(%s, %s, %s) AS written"


def announce_expiring_grants() -> Iterator[int]:
    """Write the events of grants that expire soon, for every tenant with listeners, page by page. Yields how many each page wrote."""
    days = dict(Policy.objects.values_list("tenant_id", "expiring_days"))
    for tenant_id in Listener.objects.order_by("tenant_id").values_list("tenant_id", flat=True):
        written = PAGE
        while written == PAGE:
            [row] = queries.fetch_rows(WRITE_EXPIRING, [tenant_id, days.get(tenant_id, DEFAULT_EXPIRING_DAYS), PAGE])
            written = row.written
            yield written
