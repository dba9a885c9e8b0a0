"""Records what came of an attempt: the attempt itself, the delivery's state, and what it says about the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from kernel.events import retries
from kernel.events.choices import OPEN_STATES, DeliveryState, DisabledReason, EndpointStatus
from kernel.events.http_sending import Answer
from kernel.events.ids import endpoint_ref
from kernel.events.models import Attempt, Delivery, Endpoint
from kernel.events.services.writing import write_event
from kernel.ledger import posting
from kernel.tenants.setting_author import setting_author

ACTOR = "job:events.deliver"
DELIVERED = """
UPDATE events_delivery delivery
SET state = 'delivered', finished_at = %s, last_status_code = given.status_code, last_error = ''
FROM unnest(%s::uuid[], %s::uuid[], %s::integer[]) AS given (tenant_id, id, status_code)
WHERE delivery.tenant_id = given.tenant_id AND delivery.id = given.id AND delivery.state IN ('pending', 'leased', 'waiting')
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that was made: `number` is the delivery's count of attempts at its claim; `headers` as sent, without secrets."""

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    number: int
    headers: dict[str, str]
    answer: Answer
    is_test: bool = False

    @property
    def is_success(self) -> bool:
        return not self.answer.error


def record(*sent: Sent) -> list[Attempt]:
    """Record attempts, in one transaction.

    A worker whose lease ended meanwhile finds the delivery leased again, or over. Its success still counts, because the receiver has the
    event; its failure is only logged.
    """
    [clock] = posting.run("SELECT clock_timestamp() AS now")
    with transaction.atomic():
        # Endpoints before deliveries, as events_claim locks them; both in the order of ids.
        locked = Endpoint.objects.select_for_update(no_key=True).filter(id__in={each.endpoint_id for each in sent}).order_by("id")
        endpoints = {endpoint.id: endpoint for endpoint in locked}
        attempts = Attempt.objects.bulk_create([_attempt(each, clock.now) for each in sent])
        _write_successes([each for each in sent if each.is_success], clock.now)
        for each in sorted(sent, key=lambda each: each.delivery_id):
            if not each.is_success:
                _write_failure(each, clock.now)
        for endpoint in endpoints.values():
            _write_health(endpoint, [each for each in sent if each.endpoint_id == endpoint.id and not each.is_test], clock.now)
    return attempts


def _attempt(sent: Sent, now: datetime) -> Attempt:
    answer = sent.answer
    return Attempt(
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


def _write_successes(sent: Sequence[Sent], now: datetime) -> None:
    if sent:
        rows = [(each.tenant_id, each.delivery_id, each.answer.status_code) for each in sent]
        with connection.cursor() as cursor:
            cursor.execute(DELIVERED, [now, *(list(column) for column in zip(*rows, strict=True))])


def _write_failure(sent: Sent, now: datetime) -> None:
    answer = sent.answer
    delivery = Delivery.objects.select_for_update(no_key=True).get(tenant_id=sent.tenant_id, id=sent.delivery_id)
    if delivery.state != DeliveryState.LEASED or delivery.attempts != sent.number:
        return
    delivery.last_status_code, delivery.last_error = answer.status_code, answer.error
    delivery.failures += 1
    delay = retries.delay_after(delivery.failures)
    if delay is None or sent.is_test or answer.headers.get(retries.ABORT_HEADER, "").strip() == retries.ABORT:
        delivery.state, delivery.finished_at = DeliveryState.FAILED, now
    else:
        pause = retries.asked_pause(answer.status_code, answer.headers, now=now)
        delivery.state, delivery.next_at = DeliveryState.WAITING, now + max(delay, pause or delay)
    delivery.save(update_fields=["state", "finished_at", "failures", "next_at", "last_status_code", "last_error"])


def _write_health(endpoint: Endpoint, sent: Sequence[Sent], now: datetime) -> None:
    """What attempts say about their endpoint: its failures in a row, a pause that it asked for, and whether it is disabled."""
    if not sent:
        return
    for each in sent:
        if each.is_success:
            endpoint.consecutive_failures, endpoint.first_failure_at, endpoint.last_success_at = 0, None, now
        else:
            endpoint.consecutive_failures += 1
            endpoint.first_failure_at = endpoint.first_failure_at or now
            pause = retries.asked_pause(each.answer.status_code, each.answer.headers, now=now)
            endpoint.not_before = max(endpoint.not_before or now, now + pause) if pause is not None else endpoint.not_before
    endpoint.save(update_fields=["consecutive_failures", "first_failure_at", "last_success_at", "not_before"])
    if endpoint.status != EndpointStatus.ENABLED:
        return
    if any(each.answer.status_code == retries.GONE for each in sent):
        _disable(endpoint, DisabledReason.GONE, now)
    elif retries.is_failing(failures=endpoint.consecutive_failures, since=endpoint.first_failure_at, now=now):
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
