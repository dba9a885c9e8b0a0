"""Queries of the metering ledger for imports: one query for a thousand rows."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from metering.choices import Grain
from metering.models import Agent, Rollup, Service

# Rows that other requests added to a run's transactions.
ADDED = """
SELECT added.transaction_id, min(added.what), count(*) FROM (
    SELECT cost.transaction_id, 'cost' AS what, cost.tenant_id, cost.request_id FROM metering_cost cost
    UNION ALL SELECT fact.transaction_id, 'fact', fact.tenant_id, fact.request_id FROM metering_fact fact
    UNION ALL SELECT change.transaction_id, 'change of status', change.tenant_id, change.request_id FROM metering_statuschange change
) AS added
JOIN metering_transaction brought ON brought.tenant_id = added.tenant_id AND brought.id = added.transaction_id
WHERE brought.tenant_id = %s AND brought.request_id = %s AND brought.request_id LIKE 'run:%%' AND added.request_id NOT IN (%s, %s)
GROUP BY added.transaction_id ORDER BY added.transaction_id LIMIT %s
"""
CLOSED_WITH_COSTS = """
SELECT brought.id, brought.status FROM metering_transaction brought
WHERE brought.tenant_id = %s AND brought.request_id = %s AND brought.request_id LIKE 'run:%%' AND brought.status IN ('denied', 'cancelled')
    AND EXISTS (SELECT FROM metering_cost cost WHERE cost.tenant_id = brought.tenant_id AND cost.transaction_id = brought.id
        AND cost.is_active AND cost.fiat_amount > 0)
ORDER BY brought.id LIMIT %s
"""


def known_agents(*, tenant_id: UUID, ids: Sequence[str]) -> set[UUID]:
    return set(Agent.objects.filter(tenant_id=tenant_id, id__in=list(ids)).values_list("id", flat=True))


def known_services(*, tenant_id: UUID, names: Sequence[str]) -> set[str]:
    return set(Service.objects.filter(tenant_id=tenant_id, name__in=list(names)).values_list("name", flat=True))


def known_agent_names(*, tenant_id: UUID, names: Sequence[str]) -> set[str]:
    return set(Agent.objects.filter(tenant_id=tenant_id, name__in=list(names)).values_list("name", flat=True))


def known_currencies(*, tenant_id: UUID, names: Sequence[str]) -> set[str]:
    """Currencies that a day's costs were summed in."""
    days = Rollup.objects.filter(tenant_id=tenant_id, grain=Grain.DAY, currency__in=list(names))
    return set(days.values_list("currency", flat=True).distinct().order_by())


def latest_hour(*, tenant_id: UUID) -> datetime | None:
    """The newest hour of the world in which something was metered."""
    hours = Rollup.objects.filter(tenant_id=tenant_id, grain=Grain.HOUR)
    return hours.order_by("-starts_at").values_list("starts_at", flat=True).first()


def added_since(*, tenant_id: UUID, request_id: str, undo: str, at_most: int) -> list[tuple[UUID, str, int]]:
    """A run's transactions to which other requests added rows: id, what was added, how many."""
    with connection.cursor() as cursor:
        cursor.execute(ADDED, [tenant_id, request_id, request_id, undo, at_most])
        return list(cursor.fetchall())


def closed_with_costs(*, tenant_id: UUID, request_id: str, at_most: int) -> list[tuple[UUID, str]]:
    """A run's denied or cancelled transactions with a cost, which can't be superseded."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSED_WITH_COSTS, [tenant_id, request_id, at_most])
        return list(cursor.fetchall())
