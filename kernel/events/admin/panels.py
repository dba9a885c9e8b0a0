"""Tables about deliveries on admin pages: an endpoint's newest ones, and what was sent about a row of a ledger."""

from typing import Any

from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.events.admin.labels import delivery_state
from kernel.events.models import Delivery
from kernel.events.selectors.deliveries import events_about, list_deliveries
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import Html, coded, id_link, joined, label, row_link
from kernel.tenants.staff_scope import VisibleTenants

MAX_ROWS = 20
HEADERS = ("When", "Event", "Sent to", "State", "Attempts", "Last answer")


def newest_deliveries(endpoint: Any) -> Panel:
    rows = list_deliveries(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.pk).order_by("-id")[:MAX_ROWS]
    lines = [
        (
            local_time(row.created_at),
            id_link("events.delivery", row.pk, coded(row.event.type)),
            delivery_state(row),
            row.attempts,
            answer_of(row),
        )
        for row in rows
    ]
    return Panel(f"The newest {MAX_ROWS} deliveries", ("When", "Event", "State", "Attempts", "Last answer"), lines, empty="Nothing yet.")


def sent_about(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """What was sent about a row of a ledger, for `register_panel`. An event names its object by the id that its own GET takes."""
    return sent_panel(user, tenant_id=row.tenant_id, object_id=str(row.pk))


def sent_panel(user: Any, **about: Any) -> Panel | None:
    """The newest events about an object or of an account, with their deliveries; `about` as in events_about. None where there are none, or
    the user may not see them."""
    if not user.has_perm("events.view_delivery"):
        return None
    lines = [line for event in events_about(limit=MAX_ROWS, **about) for line in _lines(event)]
    return Panel("Webhooks: what was sent about this", HEADERS, lines) if lines else None


def _lines(event: Any) -> list[tuple[Any, ...]]:
    """A line for each delivery of the event, or one that says there is none."""
    when, name = local_time(event.occurred_at), id_link("events.event", event.pk, coded(event.type))
    if not event.sent:
        return [(when, name, NOTHING, label("not sent"), 0, NOTHING)]
    return [
        (
            when,
            name,
            row_link(delivery.endpoint),
            id_link("events.delivery", delivery.pk, delivery_state(delivery)),
            delivery.attempts,
            answer_of(delivery),
        )
        for delivery in event.sent
    ]


def answer_of(delivery: Delivery) -> Html:
    """The status or the error of the last attempt."""
    parts = [part for part in (delivery.last_status_code, delivery.last_error) if part]
    return joined(parts) if parts else NOTHING
