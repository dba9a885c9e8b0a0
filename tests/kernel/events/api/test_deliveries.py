"""The log of deliveries, replays, recoveries, tests and statistics."""

import json

import pytest
from django.utils import timezone

from kernel.events import ids
from kernel.events.models import Delivery, Endpoint, Event
from kernel.events.services import resending
from tests.kernel.events.api.conftest import ENDPOINTS, finish, hours_ago
from tests.kernel.events.api.test_endpoints import refused

pytestmark = pytest.mark.django_db
DELIVERIES = "/v1/webhook-deliveries"


def test_the_log_shows_each_delivery_and_filters_them(caller):
    made = caller.endpoint(enabledEvents=["*"])
    caller.event(sequence=4)
    caller.event("credits.balance.low", account="customer:c1")
    low, recorded = caller.deliveries(made)
    event = Event.objects.get(type="billing.transaction.recorded")
    assert recorded == {
        "id": recorded["id"],
        "eventId": ids.event_ref(event.id),
        "endpointId": made["id"],
        "type": "billing.transaction.recorded",
        "account": "wallet:USD",
        "sequence": 4,
        "state": "pending",
        "origin": "live",
        "attempts": 0,
        "lastStatusCode": None,
        "lastError": None,
        "nextAt": recorded["nextAt"],
        "releasedByAge": False,
        "createdAt": recorded["createdAt"],
        "finishedAt": None,
    }
    finish(low, "failed", status_code=500, error="the receiver answered 500")
    for query, wanted in {
        "filter[state]=failed": [low],
        "filter[state]=pending": [recorded],
        "filter[type]=credits.*": [low],
        "filter[type]=billing.transaction.recorded": [recorded],
        "filter[account]=customer:c1": [low],
        f"filter[from]={hours_ago(1)}": [low, recorded],
        f"filter[to]={hours_ago(1)}": [],
    }.items():
        assert [row["id"] for row in caller.deliveries(made, f"?{query}")] == [row["id"] for row in wanted], query
    failed = caller.deliveries(made, "?filter[state]=failed")[0]
    assert (failed["lastStatusCode"], failed["lastError"], failed["nextAt"]) == (500, "the receiver answered 500", None)
    path = f"{ENDPOINTS}/{made['id']}/deliveries"
    refused(caller.send("GET", f"{path}?filter[type]=credit.*"), 400, "did you mean credits.*?")
    refused(caller.send("GET", f"{path}?filter[state]=done"), 400, "must be one of the following values: pending")
    page = caller.send("GET", f"{path}?page[limit]=1").json()
    assert caller.send("GET", page["links"]["next"]).json()["data"][0]["id"] == recorded["id"]


def test_a_delivery_has_its_body_and_every_attempt(caller, outsider):
    made = caller.endpoint()
    caller.event()
    [row] = caller.deliveries(made)
    finish(row, "waiting", status_code=503, error="the receiver answered 503")
    finish(row, "delivered")
    detail = caller.send("GET", f"{DELIVERIES}/{row['id']}").json()
    assert json.loads(detail["body"])["id"] == row["eventId"]
    assert detail["body"] == Event.objects.get().body
    first, second = detail["history"]
    assert first == {
        "number": 1,
        "at": first["at"],
        "durationMs": 84,
        "statusCode": 503,
        "error": "the receiver answered 503",
        "requestHeaders": {"webhook-id": row["eventId"]},
        "responseHead": "ok",
        "ip": "93.184.215.14",
    }
    assert (second["number"], second["statusCode"], second["error"]) == (2, 200, None)
    for reference in (row["id"], f"whd_{'0' * 32}", "x"):
        refused(outsider.send("GET", f"{DELIVERIES}/{reference}"), 404, f"Delivery {reference} not found")
        refused(outsider.send("POST", f"{DELIVERIES}/{reference}/replay"), 404, f"Delivery {reference} not found")


@pytest.mark.parametrize("state", ["delivered", "failed", "skipped"])
def test_a_replay_is_a_new_delivery_of_the_same_event(caller, state):
    made = caller.endpoint()
    caller.event(sequence=4)
    [row] = caller.deliveries(made)
    finish(row, state)
    reply = caller.send("POST", f"{DELIVERIES}/{row['id']}/replay")
    replayed = reply.json()
    assert reply.status_code == 202
    assert (replayed["eventId"], replayed["state"], replayed["origin"]) == (row["eventId"], "pending", "replay")
    assert (replayed["account"], replayed["sequence"]) == ("wallet:USD", 4)
    assert [each["id"] for each in caller.deliveries(made)] == [replayed["id"], row["id"]]


def test_a_repeated_replay_makes_one_delivery(caller):
    made = caller.endpoint()
    caller.event()
    [row] = caller.deliveries(made)
    first = caller.send("POST", f"{DELIVERIES}/{row['id']}/replay", Idempotency_Key="k")
    again = caller.send("POST", f"{DELIVERIES}/{row['id']}/replay", Idempotency_Key="k")
    assert (again.status_code, again["Idempotent-Replayed"], again.json()["id"]) == (202, "true", first.json()["id"])
    assert Delivery.objects.count() == 2


def test_nothing_is_sent_again_to_a_disabled_endpoint(caller):
    made = caller.endpoint()
    caller.event()
    [row] = caller.deliveries(made)
    caller.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "disabled"})
    refused(caller.send("POST", f"{DELIVERIES}/{row['id']}/replay"), 409, f"Nothing can be sent to endpoint {made['id']}: it is disabled")
    refused(caller.send("POST", f"{ENDPOINTS}/{made['id']}/recover", {"since": hours_ago(1)}), 409, "it is disabled")
    caller.send("DELETE", f"{ENDPOINTS}/{made['id']}")
    refused(caller.send("POST", f"{DELIVERIES}/{row['id']}/replay"), 409, "it is deleted")


def test_a_recovery_sends_what_was_never_delivered(caller, outsider):
    first = caller.endpoint()
    for state in ("delivered", "failed", "skipped", "pending"):
        caller.event()
        finish(Delivery.objects.latest("id"), state)
    outsider.endpoint()
    outsider.event()
    path, body = f"{ENDPOINTS}/{first['id']}/recover", {"since": hours_ago(1)}
    reply = caller.send("POST", path, body, Idempotency_Key="k")
    assert (reply.status_code, reply.json()["count"], reply.json()["nextSince"]) == (202, 2, None)
    assert reply.json()["id"].startswith("whr_")
    again = caller.send("POST", path, body, Idempotency_Key="k")
    assert (again["Idempotent-Replayed"], again.json()) == ("true", reply.json())
    assert [row["origin"] for row in caller.deliveries(first, "?filter[state]=pending")] == ["recover", "recover", "live"]
    # What is under way by now isn't sent once more.
    assert caller.send("POST", path, body).json()["count"] == 0


def test_a_recovery_of_everything_includes_events_from_before_the_endpoint(caller):
    caller.endpoint(enabledEvents=["*"])
    caller.event()
    caller.event("credits.balance.low")
    later = caller.endpoint()
    path, body = f"{ENDPOINTS}/{later['id']}/recover", {"since": hours_ago(1)}
    assert caller.send("POST", path, body).json()["count"] == 0
    assert caller.send("POST", path, {"since": hours_ago(2), "until": hours_ago(1), "onlyFailed": False}).json()["count"] == 0
    assert caller.send("POST", path, body | {"onlyFailed": False}).json()["count"] == 1
    assert [(row["type"], row["origin"]) for row in caller.deliveries(later)] == [("billing.transaction.recorded", "recover")]


def test_a_recovery_says_where_the_next_one_begins(caller, monkeypatch):
    caller.endpoint(enabledEvents=["*"])
    for _ in range(3):
        caller.event()
    later = caller.endpoint()
    monkeypatch.setattr(resending, "MAX_RECOVERED", 2)
    path = f"{ENDPOINTS}/{later['id']}/recover"
    first = caller.send("POST", path, {"since": hours_ago(1), "onlyFailed": False}).json()
    assert first["count"] == 2
    second = caller.send("POST", path, {"since": first["nextSince"], "onlyFailed": False}).json()
    assert (second["count"], second["nextSince"]) == (1, None)
    sent = Delivery.objects.filter(endpoint_id=ids.parse_ref(later["id"], ids.ENDPOINT)).order_by("next_at")
    assert [row.event_id for row in sent] == [event.id for event in Event.objects.order_by("position")]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "since should not be empty"),
        ({"since": "2020-01-01T00:00:00Z"}, "since must not be more than 90 days ago"),
        ({"since": "yesterday"}, "since must be a valid ISO 8601 date string"),
        ({"since": None}, "since should not be null"),
        ({"since": hours_ago(1), "until": hours_ago(2)}, "until must be later than the beginning"),
    ],
)
def test_a_recovery_needs_a_moment_that_is_kept(caller, body, message):
    made = caller.endpoint()
    refused(caller.send("POST", f"{ENDPOINTS}/{made['id']}/recover", body), 400, message)


def test_a_test_is_sent_at_once_and_can_not_be_taken_for_an_event(caller, receiver):
    made = caller.endpoint(enabledEvents=["credits.*"])
    reply = caller.send("POST", f"{ENDPOINTS}/{made['id']}/test", {"type": "billing.wallet.balance_low"})
    answer = reply.json()
    [sent] = receiver.sent
    assert (reply.status_code, answer["state"], answer["attempt"]["statusCode"]) == (200, "delivered", 200)
    assert (answer["deliveryId"], answer["eventId"]) == (ids.delivery_ref(sent.id), ids.event_ref(sent.event_id))
    body = json.loads(sent.event.body)
    assert (body["type"], body["id"], body["account"], body["data"]["exampleOf"]) == (
        "webhook.test",
        answer["eventId"],
        None,
        "billing.wallet.balance_low",
    )
    assert body["data"]["object"]["currency"] == "USD"
    caller.send("POST", f"{ENDPOINTS}/{made['id']}/test")
    assert json.loads(receiver.sent[1].event.body)["data"]["exampleOf"] == "credits.grant.created"
    assert caller.send("GET", "/v1/events").json()["data"] == []
    assert [row["origin"] for row in caller.deliveries(made)] == ["test", "test"]


def test_a_test_that_fails_says_how(caller, receiver):
    receiver.outcome = {"state": "failed", "status_code": None, "error": "no answer within 15 seconds"}
    made = caller.endpoint()
    caller.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "disabled"})
    answer = caller.send("POST", f"{ENDPOINTS}/{made['id']}/test").json()
    assert (answer["state"], answer["attempt"]["statusCode"], answer["attempt"]["error"]) == ("failed", None, "no answer within 15 seconds")
    refused(caller.send("POST", f"{ENDPOINTS}/{made['id']}/test", {"type": "billing.x"}), 400, "type must be a type of event")


def test_a_repeated_test_is_sent_once(caller, receiver):
    made = caller.endpoint()
    first = caller.send("POST", f"{ENDPOINTS}/{made['id']}/test", Idempotency_Key="k")
    again = caller.send("POST", f"{ENDPOINTS}/{made['id']}/test", Idempotency_Key="k")
    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    assert len(receiver.sent) == 1


def test_statistics_count_states_and_durations(caller):
    made = caller.endpoint()
    empty = caller.send("GET", f"{ENDPOINTS}/{made['id']}/stats").json()
    shares = [(period["period"], period["successShare"], period["p50Ms"]) for period in empty["periods"]]
    assert shares == [("24h", None, None), ("7d", None, None)]
    for state, duration in (("delivered", 10), ("delivered", 20), ("delivered", 30), ("failed", 900), ("waiting", 40)):
        caller.event()
        finish(Delivery.objects.latest("id"), state, duration_ms=duration)
    Endpoint.objects.update(last_success_at=timezone.now())
    stats = caller.send("GET", f"{ENDPOINTS}/{made['id']}/stats").json()
    assert stats["lastSuccessAt"]
    day = stats["periods"][0]
    counts = {"pending": 0, "leased": 0, "waiting": 1, "delivered": 3, "failed": 1, "skipped": 0}
    assert day == {"period": "24h", "since": day["since"], "counts": counts, "successShare": 0.75, "p50Ms": 30, "p95Ms": 900}
