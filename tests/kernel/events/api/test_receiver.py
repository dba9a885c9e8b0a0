"""A receiver with the library of Standard Webhooks gets what the management API has sent: tests, both secrets of a rotation, replays."""

import ipaddress
from decimal import Decimal

import pytest

from billing import services as billing
from kernel.events.delivery_loop import DeliveryLoop
from kernel.events.http import url_safety
from tests.kernel.events.api.conftest import ENDPOINTS
from tests.kernel.events.receiver import CERTIFICATE, NAME, Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def real_receiver(settings, monkeypatch):
    settings.WEBHOOK_ALLOW_NETS = ["127.0.0.0/8"]
    settings.WEBHOOK_CA_FILE = str(CERTIFICATE)
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [ipaddress.ip_address("127.0.0.1")])
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def made(caller, real_receiver):
    made = caller.endpoint(url=f"https://{NAME}:{real_receiver.port}/in", headers={"authorization": "Bearer receiver"})
    real_receiver.secret = made["secret"]
    return made


def state_of_a_test(caller, made):
    return caller.send("POST", f"{ENDPOINTS}/{made['id']}/test").json()["state"]


def test_a_test_verifies_and_its_log_hides_the_receivers_credentials(caller, made, real_receiver):
    answer = caller.send("POST", f"{ENDPOINTS}/{made['id']}/test", {"type": "credits.grant.created"}).json()
    [received] = real_receiver.received
    assert (answer["state"], answer["attempt"]["statusCode"], answer["attempt"]["ip"]) == ("delivered", 204, "127.0.0.1")
    assert (received.id, received.event["type"]) == (answer["eventId"], "webhook.test")
    assert received.headers["authorization"] == "Bearer receiver"
    assert "Bearer receiver" not in str(answer)


def test_either_secret_verifies_during_a_rotation_and_only_the_new_one_after_it(caller, made, real_receiver):
    one = f"{ENDPOINTS}/{made['id']}"
    caller.send("POST", f"{one}/rotate-secret")
    new = caller.send("GET", f"{one}/secret").json()["secret"]
    assert state_of_a_test(caller, made) == "delivered"
    real_receiver.secret = new
    assert state_of_a_test(caller, made) == "delivered"
    caller.send("DELETE", f"{one}/secret/previous")
    assert state_of_a_test(caller, made) == "delivered"
    real_receiver.secret = made["secret"]
    assert state_of_a_test(caller, made) == "failed"


def test_a_replay_has_the_same_id_and_bytes_and_says_what_it_is(caller, made, real_receiver):
    facts = {"amount": Decimal(5), "type": "topup", "reference_id": "t"}
    billing.record_transaction(tenant_id=caller.tenant.pk, actor="command:test", request_id="r", **facts)
    DeliveryLoop(threads=2).run_until_idle()
    [row] = caller.deliveries(made)
    assert row["state"] == "delivered"
    caller.send("POST", f"/v1/webhook-deliveries/{row['id']}/replay")
    DeliveryLoop(threads=2).run_until_idle()
    first, again = real_receiver.received
    assert (again.id, again.body) == (first.id, first.body)
    assert [each.headers.get("countinghouse-replay") for each in (first, again)] == [None, "true"]
    assert [each["state"] for each in caller.deliveries(made)] == ["delivered", "delivered"]
