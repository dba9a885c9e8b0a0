"""Sends deliveries: leases them, makes their requests, and records what came of them. No transaction is open while something is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F

from kernel.events.choices import OPEN_STATES, DeliveryState, Origin, Payload
from kernel.events.http_sending import Request, send
from kernel.events.ids import endpoint_ref, event_ref
from kernel.events.models import Attempt, Delivery
from kernel.events.rendering import body_of, thin_body_of
from kernel.events.services.recording import Sent, record
from kernel.events.signing import signatures
from kernel.ledger import posting
from kernel.ledger.errors import NotFound

USER_AGENT = "Countinghouse-Webhooks/1"
# Longer than one attempt may take, so that a lease ends only where its worker did.
LEASE = timedelta(seconds=60)
# An ordered endpoint waits for so long for a delivery that fails; then the account's next ones are sent.
PATIENCE = timedelta(hours=1)
CLAIM = "SELECT delivery_id, tenant_id, endpoint_id FROM events_claim(%s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased delivery, and the request that sends it."""

    delivery: Delivery
    request: Request


def claim(*, at_most: int, after_endpoint: UUID | None = None) -> tuple[list[Claimed], UUID | None]:
    """Lease what is due, at most so many. Returns them, and the endpoint after which the next call begins."""
    rows = posting.run(CLAIM, [at_most, settings.WEBHOOK_IN_FLIGHT, after_endpoint, LEASE, PATIENCE])
    if not rows:
        return [], None
    deliveries = Delivery.objects.filter(tenant_id__in={row.tenant_id for row in rows}, id__in=[row.delivery_id for row in rows])
    return make_requests(list(deliveries.select_related("event", "endpoint"))), rows[-1].endpoint_id


def make_requests(deliveries: Sequence[Delivery]) -> list[Claimed]:
    """Each delivery with its request, signed for now. Raises SigningKeyMissing."""
    [clock] = posting.run("SELECT clock_timestamp() AS now")
    return [Claimed(delivery, _request(delivery, clock.now)) for delivery in deliveries]


def send_claimed(claimed: Claimed) -> Sent:
    """Send one request and wait for its answer. Uses no database, so any thread may call it."""
    delivery, request = claimed.delivery, claimed.request
    own = {name.lower() for name in delivery.endpoint.headers}
    shown = {name: value if name not in own else "(not shown)" for name, value in request.headers.items()}
    return Sent(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        number=delivery.attempts,
        headers=shown,
        answer=send(request),
        is_test=delivery.origin == Origin.TEST,
    )


def send_now(*, delivery_id: UUID) -> Attempt | None:
    """Make one attempt of a delivery and wait for it, whatever the state of its endpoint. Not to be called in a transaction.

    None where the delivery is over, or a worker sends it now. Raises NotFound, SigningKeyMissing.
    """
    [clock] = posting.run("SELECT clock_timestamp() AS now")
    due = Delivery.objects.filter(id=delivery_id, state__in=OPEN_STATES).exclude(state=DeliveryState.LEASED, next_at__gt=clock.now)
    leased = due.update(state=DeliveryState.LEASED, attempts=F("attempts") + 1, next_at=clock.now + LEASE)
    delivery = Delivery.objects.select_related("event", "endpoint").filter(id=delivery_id).first()
    if delivery is None:
        raise NotFound(kind="delivery", id=delivery_id)
    if not leased:
        return None
    [claimed] = make_requests([delivery])
    [attempt] = record(send_claimed(claimed))
    return attempt


def _request(delivery: Delivery, now: datetime) -> Request:
    event, endpoint = delivery.event, delivery.endpoint
    body = body_of(event) if endpoint.payload == Payload.FULL else thin_body_of(event)
    headers = {
        **{name.lower(): value for name, value in endpoint.headers.items()},
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": event_ref(event.id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures(endpoint, event_ref(event.id), now, body),
        "countinghouse-attempt": str(delivery.attempts),
        "countinghouse-endpoint": endpoint_ref(endpoint.id),
    }
    if delivery.origin in {Origin.REPLAY, Origin.RECOVER}:
        headers["countinghouse-replay"] = "true"
    return Request(url=endpoint.url, headers=headers, body=body.encode())
