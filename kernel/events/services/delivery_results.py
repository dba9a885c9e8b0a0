"""Records what came of attempts: the attempts themselves, the state of their deliveries, and of their endpoints, of which those
that keep failing are disabled (delivery_retries.is_failing)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.events import delivery_retries
from kernel.events.choices import OPEN_STATES, DeliveryState, DisabledReason, EndpointStatus
from kernel.events.http.requests import Answer
from kernel.events.ids import endpoint_ref
from kernel.events.models import Delivery, Endpoint
from kernel.events.services.event_writer import write_event
from kernel.ledger import queries
from kernel.ledger.identifiers import new_id

# The moment of an attempt that was not made.
NEVER = datetime.min.replace(tzinfo=UTC)
ACTOR = "job:events.deliver"
RECORD = """
SELECT tenant_id, endpoint_id, status, consecutive_failures, first_failure_at, is_open, moment FROM events_record_attempts(%s::json)
"""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """A leased delivery that was sent, or wasn't begun (`answer` is None).

    `number` is the delivery's count of attempts at its lease, `failures` of the failed ones; `headers` as sent, without secrets; `ended_at`
    by the database's clock.
    """

    tenant_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    number: int
    failures: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    ended_at: datetime = NEVER
    is_test: bool = False

    @property
    def is_success(self) -> bool:
        return self.answer is not None and not self.answer.error


def record(results: Sequence[AttemptResult]) -> set[UUID]:
    """Record what was sent, in the order in which the answers came: one statement, in one transaction. Recorded twice, it counts once.

    Returns the endpoints that nothing is to be sent to now. See events_record_attempts.sql for what a late result still changes.
    """
    gone_ids = {
        each.endpoint_id
        for each in results
        if each.answer is not None and each.answer.status_code == delivery_retries.GONE and not each.is_test
    }
    with transaction.atomic():
        rows = queries.fetch_rows(RECORD, [json.dumps([_result(each, ordinal) for ordinal, each in enumerate(results)])])
        for row in rows:
            reason = DisabledReason.GONE if row.endpoint_id in gone_ids else DisabledReason.FAILING
            is_failing = delivery_retries.is_failing(failures=row.consecutive_failures, since=row.first_failure_at, now=row.moment)
            if row.status == EndpointStatus.ENABLED and (row.endpoint_id in gone_ids or is_failing):
                _disable(Endpoint.objects.get(tenant_id=row.tenant_id, id=row.endpoint_id), reason, row.moment)
    return {row.endpoint_id for row in rows if not row.is_open} | gone_ids


def _result(attempt: AttemptResult, ordinal: int) -> dict[str, Any]:
    """A result as events_record_attempts takes it."""
    result: dict[str, Any] = {
        "ordinal": ordinal,
        "tenant_id": str(attempt.tenant_id),
        "delivery_id": str(attempt.delivery_id),
        "endpoint_id": str(attempt.endpoint_id),
        "number": attempt.number,
        "is_test": attempt.is_test,
        "outcome": "unsent",
    }
    answer = attempt.answer
    if answer is None:
        return result
    pause = None if attempt.is_success else delivery_retries.asked_pause(answer.status_code, answer.headers, now=attempt.ended_at)
    return result | {
        **_next_step(attempt, answer, pause),
        "attempt_id": str(new_id()),
        "duration_ms": answer.duration_ms,
        "status_code": answer.status_code,
        "error": answer.error,
        "request_headers": attempt.headers,
        "response_head": answer.head,
        "ip": answer.ip,
        "pause": pause and pause.total_seconds(),
    }


def _next_step(attempt: AttemptResult, answer: Answer, pause: timedelta | None) -> dict[str, Any]:
    """The outcome of an attempt, and after how many seconds the next one is."""
    if attempt.is_success:
        return {"outcome": DeliveryState.DELIVERED}
    delay = delivery_retries.delay_after(attempt.failures + 1)
    if delay is None or attempt.is_test or answer.headers.get(delivery_retries.ABORT_HEADER, "").strip() == delivery_retries.ABORT:
        return {"outcome": DeliveryState.FAILED}
    return {"outcome": DeliveryState.WAITING, "delay": max(delay, pause or delay).total_seconds()}


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
