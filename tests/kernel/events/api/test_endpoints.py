"""Creating, reading, changing and deleting endpoints over the API."""

import pytest

from kernel.events.models import Endpoint, Event, IdempotentCall, Listener
from kernel.events.services import endpoints as services
from tests.factories import IssuedKeyFactory
from tests.kernel.events.api.conftest import ENDPOINTS, ORDER

pytestmark = pytest.mark.django_db


def refused(reply, status, text):
    body = reply.json()
    assert (reply.status_code, body["statusCode"]) == (status, status), body
    said = body["message"] if isinstance(body["message"], str) else " ".join(body["message"])
    assert text in said, said


def test_a_new_endpoint_is_shown_whole_and_its_secret_only_once(caller):
    made = caller.endpoint(description="Books", headers={"Authorization": "Bearer x", "x-team": "a"}, metadata={"a": 1.50})
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "url": "https://example.com/hooks",
        "enabledEvents": ["billing.*"],
        "description": "Books",
        "ordering": "none",
        "payload": "full",
        "headers": {"authorization": None, "x-team": None},
        "metadata": {"a": 1.5},
        "status": "enabled",
        "disabledReason": None,
        "disabledNote": None,
        "disabledAt": None,
        "secretGeneration": 1,
        "previousSecretValidUntil": None,
        "consecutiveFailures": 0,
        "failingSince": None,
        "lastSuccessAt": None,
        "pausedUntil": None,
        "version": 1,
        "createdAt": made["createdAt"],
        "updatedAt": made["updatedAt"],
    }
    assert caller.send("GET", f"{ENDPOINTS}/{made['id']}").json() == made
    assert caller.send("GET", ENDPOINTS).json()["data"] == [made]
    assert Endpoint.objects.get().headers == {"authorization": "Bearer x", "x-team": "a"}
    assert Listener.objects.get().patterns == ["billing.*"]


def test_an_endpoint_without_a_url_is_only_listened_to(caller):
    made = caller.send("POST", ENDPOINTS, {"enabledEvents": ["*"]}).json()
    assert made["url"] is None
    refused(caller.send("POST", f"{ENDPOINTS}/{made['id']}/test"), 409, "it is without a url")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"url": "https://example.com"}, "enabledEvents should not be empty"),
        ({"enabledEvents": []}, "enabledEvents must not be shorter than 1"),
        (
            {"enabledEvents": ["biling.*"]},
            "enabledEvents.0 must be a type of event, or a pattern such as billing.*; did you mean billing.*?",
        ),
        (
            {"enabledEvents": ["billing.transaction.recorded", "billing.wallet.balance_lwo"]},
            "enabledEvents.1 must be a type of event, or a pattern such as billing.*; did you mean billing.wallet.balance_low?",
        ),
        (ORDER | {"url": "http://example.com"}, "url must begin with https://"),
        (ORDER | {"url": "https://" + "x" * 2048}, "url must not be longer than 2048"),
        (ORDER | {"ordering": "strict"}, "ordering must be one of the following values: none, account"),
        (ORDER | {"headers": {"Host": "x"}}, "headers must not hold Host: the sender sets it"),
        (ORDER | {"headers": {"webhook-id": "x"}}, "headers must not hold webhook-id: the sender sets it"),
        (ORDER | {"headers": {"a b": "x"}}, "headers must hold header names: a b is none"),
        (ORDER | {"headers": {"x-a": "é"}}, "headers must hold for x-a at most 1000 printable ASCII characters"),
        (ORDER | {"headers": {"x-a": "a\r\nx-b: c"}}, "headers must hold for x-a at most 1000 printable ASCII characters"),
        (ORDER | {"headers": {"x-a": None}}, "headers must hold for x-a"),
        (ORDER | {"headers": {"x-a": "1", "X-A": "2"}}, "headers must hold X-A once"),
        (ORDER | {"headers": {f"x-{number}": "1" for number in range(11)}}, "headers must not be longer than 10"),
        (ORDER | {"headers": {"x-a": 1}}, "headers must be an object of strings"),
        (ORDER | {"headers": []}, "headers must be an object"),
        (ORDER | {"enabled_events": ["*"]}, "enabled_events should not exist; did you mean enabledEvents?"),
        (ORDER | {"metadata": {"a": "x" * 5000}}, "metadata must not be longer than 4096"),
    ],
)
def test_what_is_wrong_with_a_new_endpoint_is_said(caller, body, message):
    reply = caller.send("POST", ENDPOINTS, body)
    refused(reply, 400, message)
    assert Endpoint.objects.count() == 0


def test_a_tenant_has_at_most_twenty_endpoints(caller, monkeypatch, outsider):
    monkeypatch.setattr(services, "MAX_ENDPOINTS", 2)
    first = caller.endpoint()
    caller.endpoint()
    refused(caller.send("POST", ENDPOINTS, ORDER), 409, "A tenant has at most 2 endpoints: delete one first")
    outsider.endpoint()
    assert caller.send("DELETE", f"{ENDPOINTS}/{first['id']}").status_code == 204
    caller.endpoint()


def test_a_repeated_creation_is_answered_with_the_first_endpoint_and_its_secret(caller, outsider):
    first = caller.send("POST", ENDPOINTS, ORDER, Idempotency_Key="k")
    again = caller.send("POST", ENDPOINTS, ORDER, Idempotency_Key="k")
    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (201, "true", first.json())
    refused(caller.send("POST", ENDPOINTS, ORDER | {"description": "x"}, Idempotency_Key="k"), 409, "other facts (description)")
    one = f"{ENDPOINTS}/{first.json()['id']}"
    refused(caller.send("POST", f"{one}/rotate-secret", Idempotency_Key="k"), 409, "other facts (operation)")
    assert outsider.send("POST", ENDPOINTS, ORDER, Idempotency_Key="k").json()["id"] != first.json()["id"]
    assert (Endpoint.objects.count(), IdempotentCall.objects.count()) == (2, 2)


def test_without_a_signing_key_no_endpoint_is_made(caller, settings):
    settings.WEBHOOK_SIGNING_KEY = []
    refused(caller.send("POST", ENDPOINTS, ORDER), 503, "an operator has to set WEBHOOK_SIGNING_KEY")
    assert Endpoint.objects.count() == 0


def test_a_change_names_what_it_changes(caller):
    made = caller.endpoint(headers={"authorization": "Bearer x"}, description="Books")
    one = f"{ENDPOINTS}/{made['id']}"
    changed = caller.send("PATCH", one, {"enabledEvents": ["credits.grant.*", "credits.grant.*"], "ordering": "account"}).json()
    assert changed == {name: value for name, value in made.items() if name != "secret"} | {
        "enabledEvents": ["credits.grant.*"],
        "ordering": "account",
        "version": 2,
        "updatedAt": changed["updatedAt"],
    }
    assert Listener.objects.get().patterns == ["credits.grant.*"]
    caller.send("PATCH", one, {"headers": {"authorization": None, "x-a": "1"}})
    assert Endpoint.objects.get().headers == {"authorization": "Bearer x", "x-a": "1"}
    assert caller.send("PATCH", one, {"headers": {}, "description": ""}).json()["headers"] == {}
    refused(caller.send("PATCH", one, {"url": "http://x.example"}), 400, "url must begin with https://")
    refused(caller.send("PATCH", one, {"version": 2}), 409, "its version is 4, not 2")
    assert caller.send("PATCH", one, {"version": 4}).json()["version"] == 4
    refused(caller.send("PATCH", one, {"enabledEvent": ["*"]}), 400, "enabledEvent should not exist; did you mean enabledEvents?")


def test_disabling_is_reported_to_the_other_endpoints_and_enabling_begins_anew(caller):
    other = caller.endpoint(enabledEvents=["webhook_endpoint.*"])
    one = f"{ENDPOINTS}/{caller.endpoint()['id']}"
    Endpoint.objects.exclude(url="").update(consecutive_failures=3)
    off = caller.send("PATCH", one, {"status": "disabled", "note": "New server"}).json()
    assert (off["status"], off["disabledReason"], off["disabledNote"]) == ("disabled", "by_user", "New server")
    assert off["disabledAt"]
    again = caller.send("PATCH", one, {"status": "disabled"}).json()
    assert again == off
    assert [event.type for event in Event.objects.all()] == ["webhook_endpoint.disabled"]
    on = caller.send("PATCH", one, {"status": "enabled"}).json()
    assert (on["status"], on["disabledReason"], on["disabledNote"], on["disabledAt"]) == ("enabled", None, None, None)
    assert on["consecutiveFailures"] == 0
    refused(caller.send("PATCH", one, {"note": "x"}), 400, "note goes with status disabled")
    assert [row["id"] for row in caller.send("GET", f"{ENDPOINTS}?filter[status]=enabled").json()["data"]] == [on["id"], other["id"]]


def test_a_deleted_endpoint_is_gone_but_its_log_stays(caller):
    made = caller.endpoint()
    caller.event()
    one = f"{ENDPOINTS}/{made['id']}"
    assert caller.send("DELETE", one).status_code == 204
    for method, path in (("GET", one), ("DELETE", one), ("GET", f"{one}/secret"), ("GET", f"{one}/stats"), ("PATCH", one)):
        refused(caller.send(method, path, {} if method == "PATCH" else None), 404, f"Endpoint {made['id']} not found")
    assert [row["type"] for row in caller.deliveries(made)] == ["billing.transaction.recorded"]
    assert caller.send("GET", ENDPOINTS).json()["data"] == []
    assert Listener.objects.get().patterns == []


def test_another_tenants_endpoint_looks_like_one_that_never_existed(caller, outsider):
    theirs = outsider.endpoint()["id"]
    nobodys = f"we_{'0' * 32}"
    for reference in (theirs, nobodys, "we_x", theirs.removeprefix("we_")):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/secret"),
            ("DELETE", "/secret/previous"),
            ("POST", "/rotate-secret"),
            ("POST", "/test"),
            ("GET", "/stats"),
            ("GET", "/deliveries"),
        ):
            body = {} if method in {"PATCH", "POST"} else None
            refused(caller.send(method, f"{ENDPOINTS}/{reference}{path}", body), 404, f"Endpoint {reference} not found")
        refused(caller.send("POST", f"{ENDPOINTS}/{reference}/recover", {"since": "2026-11-28T00:00:00Z"}), 404, "not found")
    assert Endpoint.objects.get().status == "enabled"


def test_scopes_separate_reading_writing_and_secrets(caller):
    one = f"{ENDPOINTS}/{caller.endpoint()['id']}"
    key = {name: IssuedKeyFactory(tenant=caller.tenant, scopes=[f"webhooks:{name}"]) for name in ("read", "write", "secrets")}
    statuses = {
        name: [
            caller.send("GET", one, key=issued).status_code,
            caller.send("PATCH", one, {}, key=issued).status_code,
            caller.send("GET", f"{one}/secret", key=issued).status_code,
        ]
        for name, issued in key.items()
    }
    assert statuses == {"read": [200, 403, 403], "write": [403, 200, 403], "secrets": [403, 403, 200]}
    refused(caller.send("GET", f"{one}/secret", key=key["read"]), 403, "The key lacks the right webhooks:secrets")


def test_lists_are_in_pages_and_refuse_what_they_do_not_know(caller):
    made = [caller.endpoint()["id"] for _ in range(3)]
    first = caller.send("GET", f"{ENDPOINTS}?page[limit]=2").json()
    assert ([row["id"] for row in first["data"]], first["meta"]["page"]["hasNext"]) == ([made[2], made[1]], True)
    rest = caller.send("GET", first["links"]["next"]).json()
    assert ([row["id"] for row in rest["data"]], rest["links"]["next"]) == ([made[0]], None)
    refused(caller.send("GET", f"{ENDPOINTS}?filter[state]=enabled"), 400, "filter[state] should not exist; did you mean filter[status]?")
