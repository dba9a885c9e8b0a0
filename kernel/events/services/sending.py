"""Sends deliveries: leases them, makes their requests, and records what came of them. No transaction is open while something is sent."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F

from kernel.base.caches import BoundedDict
from kernel.events.choices import OPEN_STATES, DeliveryState, Ordering, Origin, Payload
from kernel.events.http.requests import Request, send
from kernel.events.http.signing import signatures
from kernel.events.ids import endpoint_ref, event_ref
from kernel.events.models import Attempt, Delivery
from kernel.events.rendering import body_of, thin_body_of
from kernel.events.services.delivery_results import AttemptResult, record
from kernel.ledger import queries
from kernel.ledger.errors import NotFound

USER_AGENT = "Countinghouse-Webhooks/1"
# Longer than a batch may take (FIRST_SECONDS, and one attempt), so that a lease ends only where its worker did.
LEASE = timedelta(seconds=60)
# An ordered endpoint waits for so long for a delivery that fails; then the account's next ones are sent.
PATIENCE = timedelta(hours=1)
# How many deliveries of one account are leased together at most, and for how long after that another of them is begun.
BATCH_LENGTH = 20
BATCH_SECONDS = 5.0
# The first one is begun also on a machine that is slow to start a thread, while its attempt surely ends within the lease.
FIRST_SECONDS = 30.0
CLAIM = "SELECT tenant_id, endpoint_id, deliveries, last_account, moment FROM events_lease_deliveries(%s, %s, %s, %s, %s::jsonb, %s, %s)"


@dataclass(slots=True)
class ClaimCursor:
    """Where the next claim begins, so that everybody has their turn: after an endpoint, and after an account of each ordered one."""

    endpoint: UUID | None = None
    accounts: BoundedDict[UUID, str] = field(default_factory=lambda: BoundedDict(at_most=10_000))


@dataclass(slots=True)
class DeliveryBatch:
    """Leased deliveries of one endpoint that are sent one after another; each only if the one before it was delivered.

    `moment` is the database's time at the lease, `leased_at` an earlier one by time.monotonic. `is_closed`: nothing is to be sent to the
    endpoint any more.
    """

    deliveries: list[Delivery]
    moment: datetime
    leased_at: float
    is_closed: bool = False

    @property
    def endpoint_id(self) -> UUID:
        return self.deliveries[0].endpoint_id

    def may_begin(self, position: int) -> bool:
        """Whether the delivery at this position may be begun now."""
        elapsed = time.monotonic() - self.leased_at
        return elapsed < FIRST_SECONDS if position == 0 else elapsed < BATCH_SECONDS and not self.is_closed

    def now(self) -> datetime:
        """By the database's clock."""
        return self.moment + timedelta(seconds=time.monotonic() - self.leased_at)


def claim(*, at_most: int, cursor: ClaimCursor) -> list[DeliveryBatch]:
    """Lease what is due, at most so many batches, and move the cursor on."""
    leased_at = time.monotonic()
    accounts = json.dumps({str(endpoint): account for endpoint, account in cursor.accounts.items()})
    rows = queries.fetch_rows(CLAIM, [at_most, settings.WEBHOOK_IN_FLIGHT, BATCH_LENGTH, cursor.endpoint, accounts, LEASE, PATIENCE])
    for row in rows:
        if row.last_account is not None:
            cursor.accounts[row.endpoint_id] = row.last_account
    rows = [row for row in rows if row.deliveries]
    cursor.endpoint = rows[-1].endpoint_id if rows else None
    return [DeliveryBatch(deliveries, rows[0].moment, leased_at) for deliveries in _batches(rows)]


def _batches(rows: Sequence[Any]) -> list[list[Delivery]]:
    """The leased deliveries: those of one account of an ordered endpoint together, in the order in which they were leased."""
    ids = [id for row in rows for id in row.deliveries]
    if not ids:
        return []
    found = Delivery.objects.filter(tenant_id__in={row.tenant_id for row in rows}, id__in=ids).select_related("event", "endpoint")
    positions = {id: position for position, id in enumerate(ids)}
    deliveries = sorted(found, key=lambda delivery: positions[delivery.id])
    return [list(members) for _, members in groupby(deliveries, key=_batch_of)]


def _batch_of(delivery: Delivery) -> tuple[UUID, str]:
    """What is equal for deliveries that are sent one after another."""
    is_batched = delivery.endpoint.ordering == Ordering.ACCOUNT and delivery.account and not delivery.released_by_age
    return delivery.endpoint_id, f"account {delivery.account}" if is_batched else f"delivery {delivery.id}"


def send_leased(delivery: Delivery, now: datetime) -> AttemptResult:
    """Send one leased delivery, signed for now, and wait for the answer. Uses no database, so any thread may call it.

    Raises SigningKeyMissing.
    """
    request = _request(delivery, now)
    own = {name.lower() for name in delivery.endpoint.headers}
    shown = {name: value if name not in own else "(not shown)" for name, value in request.headers.items()}
    answer = send(request)
    return AttemptResult(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        number=delivery.attempts,
        failures=delivery.failures,
        headers=shown,
        answer=answer,
        ended_at=now + timedelta(milliseconds=answer.duration_ms),
        is_test=delivery.origin == Origin.TEST,
    )


def unsent(delivery: Delivery) -> AttemptResult:
    """What to record of a leased delivery that was not begun."""
    return AttemptResult(tenant_id=delivery.tenant_id, delivery_id=delivery.id, endpoint_id=delivery.endpoint_id, number=delivery.attempts)


def send_now(*, delivery_id: UUID) -> Attempt | None:
    """Make one attempt of a delivery and wait for it, whatever the state of its endpoint. Not to be called in a transaction.

    None where the delivery is over, or a worker sends it now. Raises NotFound, SigningKeyMissing.
    """
    [clock] = queries.fetch_rows("SELECT clock_timestamp() AS now")
    due = Delivery.objects.filter(id=delivery_id, state__in=OPEN_STATES).exclude(state=DeliveryState.LEASED, next_at__gt=clock.now)
    leased = due.update(state=DeliveryState.LEASED, attempts=F("attempts") + 1, next_at=clock.now + LEASE)
    delivery = Delivery.objects.select_related("event", "endpoint").filter(id=delivery_id).first()
    if delivery is None:
        raise NotFound(kind="delivery", id=delivery_id)
    if not leased:
        return None
    record([send_leased(delivery, clock.now)])
    return Attempt.objects.get(tenant_id=delivery.tenant_id, delivery_id=delivery_id, number=delivery.attempts)


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
