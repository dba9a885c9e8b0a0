"""A tenant with a key, its endpoints and events, and a stranger."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from kernel.events import ids
from kernel.events.choices import DeliveryState
from kernel.events.models import Attempt, Delivery
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from tests.factories import IssuedKeyFactory

ENDPOINTS = "/v1/webhook-endpoints"
ORDER = {"url": "https://example.com/hooks", "enabledEvents": ["billing.*"]}
MOMENT = "2026-01-31T12:00:00+00:00"
# Objects as the posting functions store them, by the type of their event.
SNAPSHOTS = {
    "billing.transaction.recorded": {
        "id": "01900000-0000-0000-0000-000000000001",
        "amount": "7",
        "type": "topup",
        "reference_id": "r",
        "currency": "USD",
        "balance_after": "7",
        "occurred_at": MOMENT,
        "created_at": MOMENT,
        "reversed_amount": "0",
        "reason_code": "",
        "reason": "",
        "direction": "credit",
        "effect": "7",
        "entry_number": 1,
        "flags": [],
        **dict.fromkeys(("agent_id", "description", "metadata", "reverses_id", "reversed_by_id", "near_duplicate_of_id")),
    },
    "credits.balance.low": {
        "customer_id": "c1",
        "id": "USD",
        "type": "CASH",
        "balance": "3",
        "held": "0",
        "available": "3",
        "alert_below": "5",
    },
}


class Caller:
    """A client with one tenant's key."""

    def __init__(self, issued: Any) -> None:
        self.issued = issued
        self.tenant = issued.key.tenant
        self.client = Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: Any = None, *, key: Any = None, **headers: str) -> Any:
        given = {"Authorization": f"Bearer {(key or self.issued).token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        raw = b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, path, raw, content_type="application/json", headers=given)

    def endpoint(self, **changed: Any) -> dict[str, Any]:
        reply = self.send("POST", ENDPOINTS, ORDER | changed)
        assert reply.status_code == 201, reply.content
        return reply.json()

    def event(self, type: str = "billing.transaction.recorded", *, account: str = "wallet:USD", **facts: Any) -> None:
        """Something that happened; it is fanned out as well."""
        write_event(tenant_id=self.tenant.pk, type=type, account=account, snapshot=SNAPSHOTS[type], **facts)
        fan_out()

    def deliveries(self, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
        reply = self.send("GET", f"{ENDPOINTS}/{endpoint['id']}/deliveries{query}")
        assert reply.status_code == 200, reply.content
        return reply.json()["data"]


def finish(
    delivery: dict[str, Any] | Delivery, state: str, *, status_code: int | None = 200, error: str = "", duration_ms: int = 84
) -> None:
    """What one attempt leaves behind it."""
    row = delivery if isinstance(delivery, Delivery) else Delivery.objects.get(id=ids.parse_ref(delivery["id"], ids.DELIVERY))
    finished_at = None if state in {DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.WAITING} else timezone.now()
    Attempt.objects.create(
        tenant_id=row.tenant_id,
        delivery_id=row.id,
        number=row.attempts + 1,
        at=timezone.now(),
        duration_ms=duration_ms,
        status_code=status_code,
        error=error,
        request_headers={"webhook-id": ids.event_ref(row.event_id)},
        response_head="ok",
        ip="93.184.215.14",
    )
    last = {"last_status_code": status_code, "last_error": error}
    Delivery.objects.filter(id=row.id).update(state=state, attempts=row.attempts + 1, finished_at=finished_at, **last)


@pytest.fixture
def caller(db):
    return Caller(IssuedKeyFactory())


@pytest.fixture
def outsider(db):
    return Caller(IssuedKeyFactory())


@pytest.fixture
def receiver():
    """The receiver of tests: answers 200, or whatever `outcome` says. `sent` has the deliveries."""

    class Receiver:
        outcome: dict[str, Any] = {"state": "delivered"}
        sent: list[Delivery] = []

        def __call__(self, *, delivery_id: Any) -> None:
            row = Delivery.objects.select_related("event").get(id=delivery_id)
            self.sent.append(row)
            finish(row, **self.outcome)

    found = Receiver()
    found.sent = []
    with patch("kernel.events.services.endpoint_tests.send_now", found):
        yield found


def hours_ago(hours: int) -> str:
    return f"{timezone.now() - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
