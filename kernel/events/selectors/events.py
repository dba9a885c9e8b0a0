"""Reading events: the list that callers pull."""

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from kernel.events import ids, registry
from kernel.events.models import Delivery, Event
from kernel.ledger.errors import NotFound


def list_events(
    *,
    tenant_id: UUID,
    type: str | None = None,
    account: str | None = None,
    object_id: str | None = None,
    delivery: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Event]:
    """The tenant's events that have a position. Positions are given in the order of commits, so reading on from a position skips nothing.

    `type` may be a pattern. `delivery`: only events with a delivery in this state. `since` and `until` are times of recording.
    """
    rows = Event.objects.filter(tenant_id=tenant_id, position__isnull=False)
    conditions = {"account": account, "object_id": object_id, "created_at__gte": since, "created_at__lt": until}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    if type is not None and type != registry.EVERYTHING:
        rows = rows.filter(types_matching(type, path="type"))
    if delivery is not None:
        rows = rows.filter(Exists(Delivery.objects.filter(tenant_id=tenant_id, event_id=OuterRef("id"), state=delivery)))
    return rows


def get_event(*, tenant_id: UUID, event_id: UUID) -> Event:
    """Raises NotFound."""
    row = Event.objects.filter(tenant_id=tenant_id, id=event_id).first()
    if row is None:
        raise NotFound(kind="event", id=ids.event_ref(event_id))
    return row


def types_matching(pattern: str, *, path: str) -> Q:
    """The condition that a type fits the pattern, as a list of names: it can then use an index."""
    return Q(**{f"{path}__in": [each.name for each in registry.list_types() if registry.matches_pattern(pattern, each.name)]})
