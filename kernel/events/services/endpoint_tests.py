"""Sends a test to an endpoint: the example of a type, as an event `webhook.test`, so that no receiver takes it for a fact."""

import json
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from kernel.events import ids, registry
from kernel.events.choices import Origin
from kernel.events.errors import EndpointDisabled
from kernel.events.models import Attempt, Delivery, Event
from kernel.events.selectors.deliveries import get_delivery, list_attempts
from kernel.events.selectors.endpoints import get_endpoint
from kernel.events.services.idempotent_calls import IDS, claim_call
from kernel.events.services.sending import send_now
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id

TEST_TYPE = "webhook.test"
HANDED_OVER_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SentTest:
    """The delivery, and its attempt; None if the process ended before it was sent."""

    delivery: Delivery
    attempt: Attempt | None
    replayed: bool


@translate_db_errors
def send_test(
    *, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID, type: str | None = None, idempotency_key: str | None = None
) -> SentTest:
    """Send a test now, also to a disabled endpoint. `type`: whose example it carries; a type that the endpoint wants by default.

    Not to be called in a transaction: the receiver would be waited for in it. Raises NotFound, InvalidValue, EndpointDisabled,
    IdempotencyConflict.
    """
    delivery_id = new_id()
    facts = {"endpoint_id": str(endpoint_id), "type": type}
    with transaction.atomic():
        endpoint = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)
        if not endpoint.url:
            raise EndpointDisabled(id=ids.endpoint_ref(endpoint.id), status="without a url")
        body = test_body(event_id := new_id(), type or _wanted_type(endpoint.enabled_events))
        call = claim_call(tenant_id=tenant_id, operation="send_test", key=idempotency_key, facts=facts, result={IDS: str(delivery_id)})
        if not call.replayed:
            now = timezone.now()
            Event.objects.create(id=event_id, tenant_id=tenant_id, type=TEST_TYPE, occurred_at=now, fanned_out_at=now, body=body)
            # Due only after this call has sent it, or the worker would send it a second time. Due at all, because this process may die
            # first.
            due = {"next_at": now + HANDED_OVER_AFTER, "origin": Origin.TEST}
            Delivery.objects.create(id=delivery_id, tenant_id=tenant_id, event_id=event_id, endpoint_id=endpoint_id, **due)
    if not call.replayed:
        send_now(delivery_id=delivery_id)
    delivery = get_delivery(tenant_id=tenant_id, delivery_id=UUID(call.result[IDS]))
    attempts = list_attempts(tenant_id=tenant_id, delivery_id=delivery.id)
    return SentTest(delivery, attempts[-1] if attempts else None, replayed=call.replayed)


def test_body(event_id: UUID, type: str) -> str:
    """The bytes of a test, as text. Raises InvalidValue for a type that doesn't exist."""
    try:
        example = registry.get_type(type).example["data"]
    except KeyError:
        nearest = registry.nearest_pattern(type)
        hint = f"; did you mean {nearest}?" if nearest else ""
        raise InvalidValue(field="type", reason="unknown_event_type", value=type, hint=hint) from None
    body: dict[str, Any] = {
        "type": TEST_TYPE,
        "timestamp": timezone.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "id": ids.event_ref(event_id),
        "account": None,
        "sequence": None,
        "apiVersion": registry.API_VERSION,
        "data": {**example, "exampleOf": type},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _wanted_type(patterns: list[str]) -> str:
    """The first type that the endpoint wants, other than the test itself."""
    wanted = (each.name for each in registry.list_types() if each.name != TEST_TYPE and registry.matches_any_pattern(patterns, each.name))
    return next(wanted, TEST_TYPE)
