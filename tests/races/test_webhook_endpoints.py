"""Calls about webhook endpoints that come at once: the limit holds, and a repeated key makes one thing."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing import services as billing
from kernel.events.errors import EndpointLimit
from kernel.events.models import Delivery, Endpoint, IdempotentCall, Listener
from kernel.events.services import endpoints
from kernel.events.services.fan_out import fan_out
from kernel.events.services.resending import recover_deliveries
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
URL = "https://example.com/hooks"


@pytest.fixture
def context():
    return {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "r"}


def test_endpoints_created_at_once_stay_within_the_limit_and_are_all_listened_to(context, monkeypatch):
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 3)
    patterns = ["billing.*", "credits.*", "metering.*", "api_key.*", "webhook.*", "billing.wallet.*"]
    outcomes = at_once(6, lambda number: endpoints.create_endpoint(**context, url=URL, enabled_events=[patterns[number]]))
    assert Counter(type(outcome) for outcome in outcomes) == {endpoints.Created: 3, EndpointLimit: 3}
    wanted = {pattern for row in Endpoint.objects.all() for pattern in row.enabled_events}
    assert set(Listener.objects.get().patterns) == wanted


def test_a_key_that_is_sent_at_once_makes_one_endpoint(context):
    outcomes = at_once(5, lambda number: endpoints.create_endpoint(**context, url=URL, enabled_events=["*"], idempotency_key="k"))
    assert len({(outcome.row.id, outcome.secret) for outcome in outcomes}) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True, True]
    assert (Endpoint.objects.count(), IdempotentCall.objects.count()) == (1, 1)


def test_recoveries_at_once_send_each_event_once(context):
    made = endpoints.create_endpoint(**context, url=URL, enabled_events=["*"]).row
    for number in range(20):
        billing.record_transaction(**context, amount=Decimal(1), type="topup", reference_id=str(number))
    fan_out()
    Delivery.objects.update(state="failed", finished_at=timezone.now())
    since = timezone.now() - timedelta(hours=1)
    outcomes = at_once(4, lambda number: recover_deliveries(**context, endpoint_id=made.id, since=since))
    assert sorted(outcome.count for outcome in outcomes) == [0, 0, 0, 20]
    assert Delivery.objects.filter(origin="recover").count() == 20


def test_rotations_at_once_end_in_one_more_generation_each(context):
    made = endpoints.create_endpoint(**context, url=URL, enabled_events=["*"]).row
    outcomes = at_once(3, lambda number: endpoints.rotate_secret(**context, endpoint_id=made.id, force=True))
    assert all(isinstance(outcome, endpoints.Created) for outcome in outcomes)
    assert Endpoint.objects.get().secret_generation == 4
