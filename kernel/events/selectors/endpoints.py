"""Reading webhook endpoints."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from kernel.api.json import milliseconds
from kernel.events import ids
from kernel.events.choices import DeliveryState, EndpointStatus
from kernel.events.models import Endpoint
from kernel.ledger.errors import NotFound

PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
# Deliveries by state, and the durations of their attempts.
STATS = """
WITH sent AS (
    SELECT id, state, created_at FROM events_delivery
    WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND created_at >= %(since)s AND origin <> 'test'
), durations AS (
    SELECT attempt.duration_ms FROM events_attempt attempt JOIN sent ON sent.id = attempt.delivery_id
    WHERE attempt.tenant_id = %(tenant_id)s
)
SELECT
    (SELECT coalesce(json_object_agg(state, number), '{}') FROM (SELECT state, count(*) AS number FROM sent GROUP BY state) counted)::text,
    (SELECT percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_ms) FROM durations)
"""


def list_endpoints(*, tenant_id: UUID, status: str | None = None) -> QuerySet[Endpoint]:
    """The tenant's endpoints that aren't deleted."""
    rows = Endpoint.objects.filter(tenant_id=tenant_id).exclude(status=EndpointStatus.DELETED)
    return rows if status is None else rows.filter(status=status)


def get_endpoint(*, tenant_id: UUID, endpoint_id: UUID, also_deleted: bool = False, lock: bool = False) -> Endpoint:
    """Raises NotFound. `lock`: until the transaction ends."""
    rows = Endpoint.objects.filter(tenant_id=tenant_id, id=endpoint_id)
    if not also_deleted:
        rows = rows.exclude(status=EndpointStatus.DELETED)
    row = (rows.select_for_update(no_key=True) if lock else rows).first()
    if row is None:
        raise NotFound(kind="endpoint", id=ids.endpoint_ref(endpoint_id))
    return row


def snapshot_of(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as an event about it has it."""
    return {
        "id": ids.endpoint_ref(endpoint.id),
        "url": endpoint.url,
        "status": endpoint.status,
        "disabledReason": endpoint.disabled_reason or None,
        "disabledAt": endpoint.disabled_at and milliseconds(endpoint.disabled_at),
    }


def get_stats(*, tenant_id: UUID, endpoint: Endpoint) -> dict[str, Any]:
    """For the last 24 hours and 7 days: deliveries by state, the share that was delivered, and how long attempts took, in milliseconds."""
    periods = [_stats(tenant_id, endpoint, name, length) for name, length in PERIODS.items()]
    return {"last_success_at": endpoint.last_success_at, "periods": periods}


def _stats(tenant_id: UUID, endpoint: Endpoint, name: str, length: timedelta) -> dict[str, Any]:
    since = timezone.now() - length
    with connection.cursor() as cursor:
        cursor.execute(STATS, {"tenant_id": tenant_id, "endpoint_id": endpoint.id, "since": since})
        counts, percentiles = cursor.fetchone()
    counted = {str(state): 0 for state in DeliveryState} | json.loads(counts)
    over = counted["delivered"] + counted["failed"] + counted["skipped"]
    p50, p95 = percentiles or (None, None)
    return {
        "period": name,
        "since": since,
        "counts": counted,
        "success_share": counted["delivered"] / over if over else None,
        "p50_ms": p50,
        "p95_ms": p95,
    }
