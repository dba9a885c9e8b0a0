"""Records what came of an attempt: the attempt itself, the delivery's state, and what it says about the endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from kernel.events import retries
from kernel.events.choices import OPEN_STATES, DeliveryState, DisabledReason, EndpointStatus, Origin
from kernel.events.http_sending import Answer
from kernel.events.ids import endpoint_ref
from kernel.events.models import Attempt, Delivery, Endpoint
from kernel.events.services.writing import write_event
from kernel.ledger import posting
from kernel.tenants.setting_author import setting_author

ACTOR = "job:events.deliver"


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that was made: `number` is the delivery's count of attempts at its claim; `headers` as sent, without secrets."""

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    number: int
    headers: dict[str, str]
    answer: Answer

    @property
    def is_success(self) -> bool:
        return not self.answer.error


def record(sent: Sent) -> Attempt:
    """Record one attempt, in a transaction of its own.

    A worker whose lease ended meanwhile finds the delivery leased again, or over. Its success still counts, because the receiver has the
    event; its failure is only logged.
    """
    [clock] = posting.run("SELECT clock_timestamp() AS now")
    with transaction.atomic():
        endpoint = Endpoint.objects.select_for_update(no_key=True).get(tenant_id=sent.tenant_id, id=sent.endpoint_id)
        delivery = Delivery.objects.select_for_update(no_key=True).get(tenant_id=sent.tenant_id, id=sent.delivery_id)
        attempt = _write_attempt(sent, clock.now)
        is_open = delivery.state in OPEN_STATES
        is_ours = delivery.state == DeliveryState.LEASED and delivery.attempts == sent.number
        if is_open and (sent.is_success or is_ours):
            _write_outcome(delivery, endpoint, sent, clock.now)
        if delivery.origin != Origin.TEST:
            _write_health(endpoint, sent, clock.now)
    return attempt


def _write_attempt(sent: Sent, now: datetime) -> Attempt:
    answer = sent.answer
    return Attempt.objects.create(
        tenant_id=sent.tenant_id,
        delivery_id=sent.delivery_id,
        number=sent.number,
        at=now - timedelta(milliseconds=answer.duration_ms),
        duration_ms=answer.duration_ms,
        status_code=answer.status_code,
        error=answer.error,
        request_headers=sent.headers,
        response_head=answer.head,
        ip=answer.ip,
    )


def _write_outcome(delivery: Delivery, endpoint: Endpoint, sent: Sent, now: datetime) -> None:
    answer = sent.answer
    delivery.last_status_code, delivery.last_error = answer.status_code, answer.error
    if sent.is_success:
        delivery.state, delivery.finished_at = DeliveryState.DELIVERED, now
    else:
        delivery.failures += 1
        delay = retries.delay_after(delivery.failures)
        is_last = delay is None or delivery.origin == Origin.TEST or answer.headers.get(retries.ABORT_HEADER, "").strip() == retries.ABORT
        if is_last:
            delivery.state, delivery.finished_at = DeliveryState.FAILED, now
        else:
            pause = retries.asked_pause(answer.status_code, answer.headers, now=now)
            assert delay is not None
            delivery.state, delivery.next_at = DeliveryState.WAITING, now + max(delay, pause or delay)
    delivery.save(update_fields=["state", "finished_at", "failures", "next_at", "last_status_code", "last_error"])


def _write_health(endpoint: Endpoint, sent: Sent, now: datetime) -> None:
    """What the attempt says about the endpoint: its failures in a row, a pause that it asked for, and whether it is disabled."""
    changes: dict[str, Any] = {"consecutive_failures": 0, "first_failure_at": None, "last_success_at": now}
    if not sent.is_success:
        since = endpoint.first_failure_at or now
        changes = {"consecutive_failures": endpoint.consecutive_failures + 1, "first_failure_at": since}
        pause = retries.asked_pause(sent.answer.status_code, sent.answer.headers, now=now)
        if pause is not None:
            changes["not_before"] = max(endpoint.not_before or now, now + pause)
    Endpoint.objects.filter(tenant_id=endpoint.tenant_id, id=endpoint.id).update(**changes)
    if sent.is_success or endpoint.status != EndpointStatus.ENABLED:
        return
    if sent.answer.status_code == retries.GONE:
        _disable(endpoint, DisabledReason.GONE, now)
    elif retries.is_failing(failures=changes["consecutive_failures"], since=since, now=now):
        _disable(endpoint, DisabledReason.FAILING, now)


def _disable(endpoint: Endpoint, reason: DisabledReason, now: datetime) -> None:
    """Nothing is sent to the endpoint any more. What is open is skipped: `recover` sends it once the endpoint is enabled again."""
    with setting_author(actor=ACTOR):
        Endpoint.objects.filter(tenant_id=endpoint.tenant_id, id=endpoint.id).update(
            status=EndpointStatus.DISABLED, disabled_reason=reason, disabled_at=now, updated_at=now
        )
        opened = Delivery.objects.filter(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.id, state__in=OPEN_STATES)
        opened.update(state=DeliveryState.SKIPPED, finished_at=Now())
        write_event(
            tenant_id=endpoint.tenant_id,
            type="webhook_endpoint.disabled",
            object_id=endpoint_ref(endpoint.id),
            snapshot={
                "id": endpoint_ref(endpoint.id),
                "url": endpoint.url,
                "status": EndpointStatus.DISABLED,
                "disabledReason": reason,
                "disabledAt": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            },
        )
