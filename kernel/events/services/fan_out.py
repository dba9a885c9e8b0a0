"""Turns written events into deliveries: makes each body, gives the event its place in the tenant's list, and chooses who gets it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

import structlog
from django.db import connection, transaction

from kernel.events.choices import EndpointStatus
from kernel.events.models import Endpoint, Event
from kernel.events.registry import matches_any_pattern
from kernel.events.rendering import body_of, thin_body_of
from kernel.ledger.identifiers import new_id

log = structlog.get_logger("countinghouse.events")

PAGE = 200
# One fan-out at a time gives positions in the order of commits, so a list that goes on from a position skips nothing.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('countinghouse/events/fan_out', 0))"
POSITIONS = "SELECT nextval('events_position') FROM generate_series(1, %s)"
STORE = """
UPDATE events_event event
SET body = given.body, position = given.position, snapshot = NULL, fanned_out_at = clock_timestamp()
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bigint[]) AS given (tenant_id, id, body, position)
WHERE event.tenant_id = given.tenant_id AND event.id = given.id
"""
DELIVER = """
INSERT INTO events_delivery
    (id, tenant_id, event_id, endpoint_id, origin, state, attempts, next_at, account, sequence, released_by_age, last_error, created_at)
SELECT given.id, event.tenant_id, event.id, given.endpoint_id, 'live', 'pending', 0, clock_timestamp(), event.account, event.sequence,
    false, '', clock_timestamp()
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[]) AS given (id, tenant_id, event_id, endpoint_id)
JOIN events_event event ON event.tenant_id = given.tenant_id AND event.id = given.event_id
ON CONFLICT (tenant_id, event_id, endpoint_id) WHERE origin = 'live' DO NOTHING
"""


def fan_out(*, at_most: int = PAGE) -> int:
    """Fan out the oldest events that aren't yet, in one transaction. Returns how many; 0 also where another process does it now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        if not cursor.fetchone()[0]:
            return 0
        events = list(Event.objects.filter(fanned_out_at__isnull=True).order_by("id")[:at_most])
        if not events:
            return 0
        cursor.execute(POSITIONS, [len(events)])
        positions = sorted(number for (number,) in cursor.fetchall())
        bodies = [_body(event) for event in events]
        cursor.execute(STORE, [[event.tenant_id for event in events], [event.id for event in events], bodies, positions])
        pairs = list(_deliveries(events))
        if pairs:
            rows = [(new_id(), event.tenant_id, event.id, endpoint_id) for event, endpoint_id in pairs]
            cursor.execute(DELIVER, [list(column) for column in zip(*rows, strict=True)])
        return len(events)


def _body(event: Event) -> str:
    """The event's body. One that can't be made is sent without its object: a fault of ours must not stop the events behind it."""
    try:
        return body_of(event)
    except Exception:
        log.exception("event_body_failed", type=event.type, event_id=str(event.id))
        return thin_body_of(event)


def _deliveries(events: Sequence[Event]) -> Iterable[tuple[Event, UUID]]:
    """Each event with each endpoint that wants it: enabled, older than the event, with an address."""
    endpoints: dict[UUID, list[Endpoint]] = defaultdict(list)
    tenants = {event.tenant_id for event in events}
    for endpoint in Endpoint.objects.filter(tenant_id__in=tenants, status=EndpointStatus.ENABLED).exclude(url=""):
        endpoints[endpoint.tenant_id].append(endpoint)
    for event in events:
        yield from ((event, endpoint.id) for endpoint in endpoints[event.tenant_id] if _wants(endpoint, event))


def _wants(endpoint: Endpoint, event: Event) -> bool:
    return endpoint.created_at <= event.created_at and matches_any_pattern(endpoint.enabled_events, event.type)
