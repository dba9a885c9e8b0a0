"""Coloured labels for the state of endpoints and deliveries, and words for the codes of events."""

from collections.abc import Callable
from uuid import UUID

from django.utils.html import format_html

from kernel.base.local_time import local_time
from kernel.events.choices import DeliveryState, EndpointStatus
from kernel.events.models import Delivery, Endpoint, Event
from kernel.ledger.admin.formatting import Html, coded, id_link, label, link, shortened
from kernel.ledger.identifiers import with_short_ids

STATE_COLOURS = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.FAILED: "bad",
    DeliveryState.WAITING: "wait",
    DeliveryState.PENDING: "wait",
    DeliveryState.LEASED: "wait",
}


def event_link(event: Event) -> Html:
    return id_link("events.event", event.pk, coded(event.type))


# Where an object of events has its page, by the first words of the type: (tenant, object's id) -> address, empty for none.
_PAGES: dict[str, Callable[[UUID, str], str]] = {}


def register_object_page(words: str, page: Callable[[UUID, str], str]) -> None:
    """`words`: of a type, such as `billing.hold`; or of an account, such as `grant`."""
    _PAGES[words] = page


def account_in_words(tenant_id: UUID, account: str) -> Html:
    """`Grant …8db77b99` of `grant:` and the id of a grant, as a link to its page."""
    kind, _, identifier = account.partition(":")
    text = coded(account, f"{kind.capitalize()} {with_short_ids(identifier)}")
    return link(_PAGES[kind](tenant_id, identifier), text) if account and kind in _PAGES else text


def object_in_words(event: Event) -> Html:
    """What the event is about, as a link to its page."""
    words, text = event.type.split("."), shortened(event.object_id) or "-"
    page = next((_PAGES[found] for count in (2, 1) if (found := ".".join(words[:count])) in _PAGES), None)
    return link(page(event.tenant_id, event.object_id), text) if page is not None and event.object_id else text


def delivery_state(delivery: Delivery) -> Html:
    return label(delivery.get_state_display(), STATE_COLOURS.get(DeliveryState(delivery.state), ""))


def health(endpoint: Endpoint) -> Html:
    """One label: sends, fails since when, or why it is off."""
    if endpoint.status == EndpointStatus.DELETED:
        return label("Deleted")
    if endpoint.status == EndpointStatus.DISABLED:
        return label(f"Disabled: {endpoint.get_disabled_reason_display().lower()}", "bad")
    if not endpoint.url:
        return label("Listed only")
    if endpoint.consecutive_failures:
        return format_html("{} since {}", label(f"{endpoint.consecutive_failures} failed", "wait"), local_time(endpoint.first_failure_at))
    return label("Healthy" if endpoint.last_success_at else "Nothing sent yet", "good" if endpoint.last_success_at else "")
