"""Sends events again: one delivery, or all that an endpoint missed. Each is a new delivery of the same event, with its id and bytes.

The API and the back office call the first a replay, which elsewhere is a repeated call with the same key (`replayed` here too).
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from kernel.events import ids
from kernel.events.choices import EndpointStatus, Origin
from kernel.events.errors import EndpointDisabled
from kernel.events.models import Delivery, Endpoint
from kernel.events.selectors.deliveries import get_delivery
from kernel.events.selectors.endpoints import get_endpoint
from kernel.events.services.clean_up import EVENT_RETENTION
from kernel.events.services.idempotent_calls import IDS, claim_call, set_result
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id

# So many deliveries are made by one recovery; the next one begins where it ended.
MAX_RECOVERED = 10_000
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resent:
    """The new delivery. `replayed`: an earlier call with the same idempotency key made it."""

    row: Delivery
    replayed: bool


@dataclass(frozen=True, slots=True)
class Recovery:
    """`count` deliveries were made. `next_since`: where the next recovery begins, if there were more than MAX_RECOVERED; else None."""

    id: UUID
    count: int
    next_since: datetime | None
    replayed: bool = False


@translate_db_errors
def resend_delivery(*, tenant_id: UUID, actor: str, request_id: str, delivery_id: UUID, idempotency_key: str | None = None) -> Resent:
    """Send an event to the same endpoint again, whatever became of the delivery. Raises NotFound, EndpointDisabled, IdempotencyConflict."""
    facts = {"delivery_id": str(delivery_id)}
    resent_id = new_id()
    with transaction.atomic():
        first = get_delivery(tenant_id=tenant_id, delivery_id=delivery_id)
        call = claim_call(tenant_id=tenant_id, operation="replay_delivery", key=idempotency_key, facts=facts, result={IDS: str(resent_id)})
        if not call.replayed:
            _check_receives(get_endpoint(tenant_id=tenant_id, endpoint_id=first.endpoint_id, also_deleted=True))
            Delivery.objects.create(
                id=resent_id,
                tenant_id=tenant_id,
                event_id=first.event_id,
                endpoint_id=first.endpoint_id,
                account=first.account,
                sequence=first.sequence,
                origin=Origin.REPLAY,
            )
    logger.info("webhook_replayed", tenant_id=tenant_id, delivery_id=delivery_id, actor=actor, request_id=request_id)
    return Resent(get_delivery(tenant_id=tenant_id, delivery_id=UUID(call.result[IDS])), replayed=call.replayed)


@translate_db_errors
def recover_deliveries(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    endpoint_id: UUID,
    since: datetime,
    until: datetime | None = None,
    only_failed: bool = True,
    idempotency_key: str | None = None,
) -> Recovery:
    """Send what an endpoint missed from `since` on, before `until`, the oldest first; by the time at which events were recorded.

    Missed is an event that was never delivered and isn't under way: with `only_failed` those that were tried, else also those for which
    there was no delivery, from before the endpoint existed or while it was disabled. Raises NotFound, EndpointDisabled, InvalidValue,
    IdempotencyConflict.
    """
    _check_span(since, until)
    facts = {"endpoint_id": str(endpoint_id), "since": since, "until": until, "only_failed": only_failed}
    recovery_id = new_id()
    with transaction.atomic():
        call = claim_call(
            tenant_id=tenant_id, operation="recover_deliveries", key=idempotency_key, facts=facts, result={IDS: str(recovery_id)}
        )
        if call.replayed:
            return _recorded(call.result)
        # Two recoveries of one endpoint wait for each other, or both would send the same events.
        _check_receives(get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id, lock=True))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT made, last_at FROM events_recover(%s, %s, %s, %s, %s, %s)",
                [tenant_id, endpoint_id, since, until, only_failed, MAX_RECOVERED],
            )
            count, last_at = cursor.fetchone()
        recovery = Recovery(recovery_id, count, last_at if count == MAX_RECOVERED else None)
        next_since = recovery.next_since and recovery.next_since.isoformat()
        set_result(tenant_id=tenant_id, key=idempotency_key, result={IDS: str(recovery_id), "count": count, "next_since": next_since})
    logger.info("webhook_recovered", tenant_id=tenant_id, endpoint_id=endpoint_id, count=count, actor=actor, request_id=request_id)
    return recovery


def _check_span(since: datetime, until: datetime | None) -> None:
    if since < timezone.now() - EVENT_RETENTION:
        raise InvalidValue(field="since", reason="too_long_ago", days=EVENT_RETENTION.days)
    if until is not None and until <= since:
        raise InvalidValue(field="until", reason="too_early")


def _recorded(result: dict) -> Recovery:
    next_since = result["next_since"] and datetime.fromisoformat(result["next_since"])
    return Recovery(UUID(result[IDS]), result["count"], next_since, replayed=True)


def _check_receives(endpoint: Endpoint) -> None:
    if endpoint.status != EndpointStatus.ENABLED or not endpoint.url:
        raise EndpointDisabled(id=ids.endpoint_ref(endpoint.id), status=endpoint.status if endpoint.url else "without a url")
