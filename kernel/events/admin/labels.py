"""Coloured labels for the state of endpoints and deliveries, and words for the codes of events."""

from typing import Any

from django.utils.html import format_html

from kernel.events.choices import DeliveryState, EndpointStatus
from kernel.events.models import Delivery, Endpoint, Event
from kernel.ledger.admin.formatting import coded, id_link, label
from kernel.ledger.identifiers import with_short_ids
from kernel.tenants.admin import local_time

STATE_COLOURS = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.FAILED: "bad",
    DeliveryState.WAITING: "wait",
    DeliveryState.PENDING: "wait",
    DeliveryState.LEASED: "wait",
}


def event_link(event: Event) -> Any:
    return id_link("events.event", event.pk, coded(event.type))


def account_in_words(account: str) -> Any:
    """`Grant …8db77b99` of `grant:` and the id of a grant."""
    kind, _, identifier = account.partition(":")
    return coded(account, f"{kind.capitalize()} {with_short_ids(identifier)}")


def delivery_state(delivery: Delivery) -> Any:
    return label(delivery.get_state_display(), STATE_COLOURS.get(DeliveryState(delivery.state), ""))


def health(endpoint: Endpoint) -> Any:
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
