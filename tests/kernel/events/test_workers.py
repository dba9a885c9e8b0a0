"""Several workers, and workers that are killed: each event arrives at least once, with one id and one body, and twice only after a kill."""

import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from kernel.events.delivery_loop import DeliveryLoop
from kernel.events.http.signing import secret_of
from kernel.events.ids import event_ref
from kernel.events.models import Delivery, Event
from kernel.events.services.event_writer import write_event
from tests.kernel.events.killed_worker import POINTS
from tests.kernel.events.receiver import Receiver
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SETTINGS = {"WEBHOOK_SIGNING_KEY": KEY, "WEBHOOK_ALLOW_NETS": "127.0.0.0/8", "WEBHOOK_ALLOW_HTTP": "1"}


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_SIGNING_KEY, settings.WEBHOOK_ALLOW_NETS, settings.WEBHOOK_ALLOW_HTTP = [KEY], ["127.0.0.0/8"], True
    receiver = Receiver(tls=False)
    yield receiver
    receiver.stop()


def write(tenant, count):
    for number in range(1, count + 1):
        write_event(tenant_id=tenant.id, type="webhook.test", account="wallet:USD", sequence=number, snapshot={"n": number})
    return {event_ref(id) for id in Event.objects.values_list("id", flat=True)}


def run_killed_worker(point):
    """A process that is gone when this returns."""
    database = connection.get_connection_params()
    url = f"postgresql://{database['user']}@/{database['dbname']}?host={database['host']}"
    command = [sys.executable, "-m", "tests.kernel.events.killed_worker", point]
    environment = os.environ | SETTINGS | {"DATABASE_URL": url, "LOG_LEVEL": "ERROR"}
    return subprocess.run(command, env=environment, check=False, capture_output=True, timeout=30)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_any_point_loses_nothing(tenant, listen, receiver, point):
    endpoint = listen(url=receiver.url, ordering="account")
    receiver.secret = secret_of(endpoint.id, 1)
    expected = write(tenant, 3)
    done = run_killed_worker(point)
    assert done.returncode == -9, done.stderr.decode()
    Delivery.objects.filter(state="leased").update(next_at=timezone.now() - timedelta(seconds=1))
    DeliveryLoop(threads=2).run_until_idle()
    assert set(receiver.ids) == expected
    assert [state for (state,) in Delivery.objects.values_list("state")] == ["delivered"] * 3
    assert len({(received.id, received.body) for received in receiver.received}) == 3
    # What comes again begins with the earliest that wasn't recorded, and goes on in order.
    assert list(dict.fromkeys(received.event["sequence"] for received in receiver.received)) == [1, 2, 3]
    repeated = {id: count for id, count in Counter(receiver.ids).items() if count > 1}
    # The three are one batch: a worker that ends when it records may have sent them all.
    assert len(repeated) in {"sent": {1}, "recording": {1, 2, 3}}.get(point, {0})


def test_two_workers_send_a_thousand_events_once_each(tenant, listen, receiver):
    endpoint = listen(url=receiver.url)
    receiver.secret = secret_of(endpoint.id, 1)
    expected = write(tenant, 1000)
    assert at_once(2, lambda number: DeliveryLoop(threads=8).run_until_idle()) == [None, None]
    DeliveryLoop(threads=8).run_until_idle()
    assert Counter(receiver.ids) == Counter(expected)
    assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}
