"""Calls of every operation of webhooks, whose real replies are examples of the OpenAPI document."""

import uuid
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.utils import timezone

from kernel.events import ids
from kernel.events.models import Attempt, Delivery
from kernel.events.services.fan_out import fan_out

ENDPOINTS = "/v1/webhook-endpoints"


def manage_endpoints(recorder: Any) -> None:
    """Create, read, change and test endpoints; `recorder` keeps requests and replies (api_examples.Recorder)."""
    path = ENDPOINTS
    order = {"url": "https://example.com/hooks", "enabledEvents": ["billing.*", "credits.balance.low"], "description": "Accounting"}
    made = recorder.send("POST", path, order | {"headers": {"authorization": "Bearer receiver-token"}}, Idempotency_Key="endpoint-1")
    recorder.refuse("idempotency_conflict", "POST", path, order | {"url": "https://example.org"}, Idempotency_Key="endpoint-1")
    one = f"{path}/{made['id']}"
    for address in (path, one, f"{one}/stats", f"{one}/secret"):
        recorder.send("GET", address)
    recorder.send("PATCH", one, {"enabledEvents": ["billing.*"], "version": 1})
    recorder.refuse("version_conflict", "PATCH", one, {"description": "Books", "version": 1})
    recorder.send("POST", f"{one}/rotate-secret", {"gracePeriodSeconds": 3600})
    recorder.refuse("grace_running", "POST", f"{one}/rotate-secret", {})
    recorder.send("DELETE", f"{one}/secret/previous")
    with patch("kernel.events.services.endpoint_tests.send_now", _answered):
        recorder.send("POST", f"{one}/test", {"type": "billing.wallet.balance_low"})
    topup = {"amount": 100, "type": "topup", "reference_id": "order-1001"}
    recorder._send("POST", "/v1/billing/transactions", topup, {})
    fan_out()
    delivery = recorder.send("GET", f"{one}/deliveries?filter[type]=billing.*")["data"][0]
    _answered(delivery_id=ids.parse_ref(delivery["id"], ids.DELIVERY))
    recorder.send("GET", f"/v1/webhook-deliveries/{delivery['id']}")
    recorder.send("POST", f"/v1/webhook-deliveries/{delivery['id']}/replay")
    recorder.send("POST", f"{one}/recover", {"since": f"{timezone.now() - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", "onlyFailed": False})
    event = recorder.send("GET", "/v1/events")["data"][0]
    recorder.send("GET", f"/v1/events/{event['id']}")
    recorder.send("GET", "/v1/event-types?filter[group]=billing")
    recorder._send("PATCH", one, {"status": "disabled"}, {})
    recorder.refuse("endpoint_disabled", "POST", f"{one}/recover", {"since": f"{timezone.now():%Y-%m-%dT%H:%M:%SZ}"})
    recorder.send("DELETE", one)
    recorder.refuse("invalid", "POST", path, {"enabledEvents": ["biling.*"]})
    recorder.refuse("invalid_value", "POST", path, order | {"headers": {"Host": "example.com"}})
    recorder.refuse("url_refused", "POST", path, order | {"url": "http://example.com"})
    recorder.describe("endpoint_limit", max=20)
    recorder.describe("signing_key_missing")


def _answered(*, delivery_id: uuid.UUID) -> None:
    """What an attempt leaves that the receiver answered with 200."""
    delivery = Delivery.objects.get(id=delivery_id)
    now = timezone.now()
    headers = {"content-type": "application/json", "webhook-id": ids.event_ref(delivery.event_id), "webhook-timestamp": "1769860800"}
    Attempt.objects.create(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery_id,
        number=1,
        at=now,
        duration_ms=84,
        status_code=200,
        request_headers=headers,
        response_head="ok",
        ip="93.184.215.14",
    )
    Delivery.objects.filter(id=delivery_id).update(state="delivered", attempts=1, last_status_code=200, finished_at=now)
