"""Reading the log of deliveries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from kernel.events import ids, registry
from kernel.events.models import Attempt, Delivery, Event
from kernel.events.selectors.events import types_matching
from kernel.ledger.errors import NotFound

# Attempts of one delivery that are read: the schedule makes ten, replays are deliveries of their own.
MAX_ATTEMPTS = 100


def list_deliveries(
    *,
    tenant_id: UUID,
    endpoint_id: UUID | None = None,
    state: str | None = None,
    type: str | None = None,
    account: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Delivery]:
    """Deliveries with their events, whose bodies aren't read. `type` may be a pattern; `since` and `until` are times of creation."""
    rows = Delivery.objects.filter(tenant_id=tenant_id).select_related("event", "endpoint").defer("event__body", "event__snapshot")
    conditions = {"endpoint_id": endpoint_id, "state": state, "account": account, "created_at__gte": since, "created_at__lt": until}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return rows if type is None or type == registry.EVERYTHING else rows.filter(types_matching(type, path="event__type"))


def get_delivery(*, tenant_id: UUID, delivery_id: UUID) -> Delivery:
    """A delivery with its event and endpoint. Raises NotFound."""
    row = Delivery.objects.filter(tenant_id=tenant_id, id=delivery_id).select_related("event", "endpoint").first()
    if row is None:
        raise NotFound(kind="delivery", id=ids.delivery_ref(delivery_id))
    return row


def list_attempts(*, tenant_id: UUID, delivery_id: UUID) -> list[Attempt]:
    """A delivery's attempts, the first one first."""
    rows = Attempt.objects.filter(tenant_id=tenant_id, delivery_id=delivery_id)
    return list(rows.order_by("number")[:MAX_ATTEMPTS])


def events_about(*, tenant_id: UUID, limit: int, **about: Any) -> list[Event]:
    """The newest events about an object (`object_id`) or of an account (`account`), each with its deliveries in the attribute `sent`."""
    rows = Event.objects.filter(tenant_id=tenant_id, **about).defer("body", "snapshot")
    events: list[Any] = list(rows.order_by("-id")[:limit])
    sent: dict[UUID, list[Delivery]] = {event.id: [] for event in events}
    for delivery in Delivery.objects.filter(tenant_id=tenant_id, event_id__in=sent).select_related("endpoint").order_by("id"):
        sent[delivery.event_id].append(delivery)
    for event in events:
        event.sent = sent[event.id]
    return events
