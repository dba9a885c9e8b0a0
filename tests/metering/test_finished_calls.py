"""Calls that are recorded when they are over, one or a thousand at once, and batches of completions, costs and facts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from metering import services
from metering.integrity import checks
from metering.models import Cost, Fact, StatusChange, Transaction
from metering.selectors import list_prices, price_books
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import create_rule

URL = "/v1/transactions"
NAMES = {"serviceName": "s", "actionName": "a", "resourceName": "r"}


def report(units: int = 3, **more: Any) -> dict[str, Any]:
    return {"source": "s", "version": "1", "facts": {"tokens": units}} | more


def cost(amount: str, *, is_estimate: bool = True, currency: str = "USD") -> dict[str, Any]:
    return {"fiatAmount": amount, "fiatAssetSymbol": currency, "isEstimate": is_estimate}


def total(caller: Caller, transaction_id: str) -> Decimal:
    return Decimal(caller.get(f"{URL}/{transaction_id}/costs").json()["totalActiveCostUsd"])


@pytest.fixture(autouse=True)
def a_dollar_for_each_unit(request):
    """The caller pays a dollar for each unit."""
    if "caller" in request.fixturenames:
        caller = request.getfixturevalue("caller")
        context: dict[str, Any] = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
        units = [services.parse_unit("tokens=1")]
        services.set_price(**context, service_name="s", currency="USD", units=units, valid_from=datetime(2020, 1, 1, tzinfo=UTC))


# What a create followed by a complete makes of these is what one call makes.
CALLS = [
    {"costs": [cost("1"), cost("2"), cost("4", currency="EUR")], "outcome": "success", "responseFacts": report()},
    {"costs": [cost("1"), cost("2", is_estimate=False)], "outcome": "success", "responseFacts": report()},
    {"costs": [cost("2", is_estimate=False)], "outcome": "success", "responseFacts": report()},
    {"costs": [cost("1")], "outcome": "error", "responseFacts": report(callId="a")},
    {"costs": [cost("1")], "outcome": "success", "responseFacts": report(facts={"tokens": 3, "rest_tokens": 5})},
    {"costs": [cost("1", is_estimate=False)], "outcome": "success", "responseFacts": report(facts={"tokens": 3, "rest_tokens": 5})},
    {"costs": [cost("1")], "outcome": "success", "responseFacts": report(facts={"pages": 1})},
    {"outcome": "success", "responseFacts": report(integration={"name": "n", "version": "2.50"})},
    {"costs": [cost("1")], "outcome": "success"},
    {"costs": [cost("1")], "outcome": "error", "responseFacts": None},
]
# What can't be the same in two transactions.
OWN = {"id", "transactionId", "traceId", "trace", "createdAt", "updatedAt", "occurredAt", "factId", "costId", "inferredFromFactId"} | {
    "supersedesCostId",
    "supersededAt",
    "authorizedAt",
    "completedAt",
    "transaction",
}


def comparable(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: value is not None if name in OWN else comparable(value) for name, value in body.items() if name != "transaction"}
    return [comparable(item) for item in body] if isinstance(body, list) else body


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("form", ["one", "batch"])
def test_one_call_makes_what_a_create_and_a_complete_make(caller, call, form):
    ending = {name: call[name] for name in ("outcome", "responseFacts") if name in call}
    created = caller.create(**NAMES, costs=call.get("costs", []))
    expected = caller.post(f"{URL}/{created['id']}/complete", ending).json()
    if form == "one":
        whole = caller.post(URL, NAMES | call)
        assert whole.status_code == 201, whole.content
        body = whole.json()
    else:
        [item] = caller.post(f"{URL}/batch", [NAMES | call]).json()["data"]
        body = item["transaction"] | {name: item[name] for name in ("factId", "costId", "pricing", "superseded") if name in item}
    superseded = [{"costId": False} | one for one in body.get("superseded", [])]
    assert [one["fiatAmount"] for one in superseded] == [one["fiatAmount"] for one in expected.get("superseded", [])]
    expected["superseded"] = body["superseded"] = None
    assert comparable(body) == comparable(expected)
    assert body["status"] == "completed"
    flat = {name: value for name, value in body.items() if name not in {"factId", "costId", "pricing", "superseded"}}
    assert caller.read(body["id"]) == flat
    assert total(caller, body["id"]) == total(caller, created["id"])
    facts = [caller.get(f"{URL}/{one}/facts").json() for one in (created["id"], body["id"])]
    assert comparable(facts[0]) == comparable(facts[1])
    assert list(StatusChange.objects.filter(transaction=body["id"]).values_list("from_status", "to_status")) == [(None, "completed")]
    summary = caller.get("/v1/analytics/summary").json()["data"]
    assert (summary["transactions"], summary["succeeded"] + summary["failed"]) == (2, 2)
    assert list(checks.find_violations()) == []


@pytest.mark.django_db(transaction=True)
def test_a_thousand_finished_calls_are_one_statement_that_writes_and_one_that_reads_the_prices(caller):
    caller.create(**NAMES)
    items = [
        NAMES | {"idempotencyKey": f"k{place}", "costs": [cost("1")], "outcome": "success", "responseFacts": report(place)}
        for place in range(1000)
    ]
    with CaptureQueriesContext(connection) as queries:
        reply = caller.post(f"{URL}/batch", items, Prefer="return=minimal")
    assert ["metering_post(" in query["sql"] for query in queries] == [False, True]
    body = reply.json()
    assert body["meta"] == {"posted": 1000, "replayed": 0, "refused": 0}
    assert reply.headers["Preference-Applied"] == "return=minimal"
    first = body["data"][0]
    assert first == {
        "index": 0,
        "status": 201,
        "id": first["id"],
        "transactionStatus": "completed",
        "factId": first["factId"],
        "costId": first["costId"],
    }
    assert total(caller, body["data"][7]["id"]) == 7
    assert Cost.objects.filter(is_active=True).count() == 1000
    ids = [item["id"] for item in body["data"]]
    again = caller.post(f"{URL}/batch", items, Prefer="return=minimal").json()
    assert ([item["id"] for item in again["data"]], again["meta"]["replayed"]) == (ids, 1000)
    assert list(checks.find_violations()) == []


@pytest.mark.parametrize("path", [URL, f"{URL}/batch"])
def test_a_price_that_begins_while_a_finished_call_is_written_is_not_the_one_of_its_time(caller, monkeypatch, path):
    read = price_books.get_price_book

    def read_and_let_another_begin(**asked: Any) -> Any:
        book = read(**asked)
        its: dict[str, Any] = {"tenant_id": caller.tenant.id, "actor": "a", "request_id": "", "service_name": "s", "currency": "USD"}
        services.set_price(**its, units=[services.parse_unit("tokens=5")], valid_from=timezone.now())
        return book

    monkeypatch.setattr(price_books, "get_price_book", read_and_let_another_begin)
    call = NAMES | {"outcome": "success", "responseFacts": report()}
    body = caller.post(path, call if path == URL else [call]).json()
    body = body if path == URL else body["data"][0]["transaction"]
    assert total(caller, body["id"]) == 3
    at = Transaction.objects.get().occurred_at
    [valid] = [
        price
        for price in list_prices(tenant_id=caller.tenant.id)
        if price["valid_from"] <= at and (price["valid_to"] is None or at < price["valid_to"])
    ]
    assert valid["units"][0]["amount"] == 1
    assert caller.read(body["id"])["occurredAt"] == body["occurredAt"]


@pytest.mark.parametrize("path", [URL, f"{URL}/batch"])
def test_a_finished_call_is_replayed_whole_and_its_facts_are_compared(caller, path):
    call = NAMES | {"costs": [cost("1")], "outcome": "success", "responseFacts": report(callId="a")}

    def send(body: dict[str, Any]) -> tuple[int, Any, bool]:
        if path == URL:
            reply = caller.post(path, body, **{"Idempotency-Key": "k"})
            return reply.status_code, reply.json(), "Idempotent-Replayed" in reply.headers
        [item] = caller.post(path, [body | {"idempotencyKey": "k"}]).json()["data"]
        return item["status"], item.get("error") or {name: item[name] for name in item if name != "replayed"}, item.get("replayed", False)

    first, again = send(call), send(call)
    assert (first[0], first[2], again[2]) == (201, False, True)
    assert again[1] == first[1]
    changes = ({"outcome": "error"}, {"responseFacts": report(4, callId="a")}, {"responseFacts": report()}, {"responseFacts": None})
    for change, name in zip(changes, ("outcome", "responseFacts", "responseFacts", "responseFacts"), strict=True):
        status, error, _ = send(call | change)
        assert (status, f"({name})" in error["message"]) == (409, True), error
    assert Transaction.objects.count() == Fact.objects.count() == 1


def test_a_finished_call_has_its_own_time_and_the_price_of_that_time(caller):
    moment = (timezone.now() - timedelta(days=3)).replace(microsecond=0)
    context: dict[str, Any] = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    units = [services.parse_unit("tokens=2")]
    services.set_price(**context, service_name="s", currency="USD", units=units, valid_from=moment + timedelta(hours=1))
    spans = (timedelta(0), timedelta(hours=2))
    items = [NAMES | {"outcome": "success", "responseFacts": report(1), "occurredAt": (moment + span).isoformat()} for span in spans]
    data = caller.post(f"{URL}/batch", [*items, NAMES | {"outcome": "success", "responseFacts": report(1)}]).json()["data"]
    assert [Decimal(item["transaction"]["costs"][0]["fiatAmount"]) for item in data] == [1, 2, 2]
    for item, span in zip(data[:2], spans, strict=True):
        done, wire = item["transaction"], (moment + span).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert {done[name] for name in ("occurredAt", "authorizedAt", "completedAt")} == {done["costs"][0]["occurredAt"]} == {wire}
    assert caller.post(URL, NAMES | {"outcome": "success", "occurredAt": "2020-01-01T00:00:00Z"}).status_code == 400
    assert list(checks.find_violations()) == []


def test_a_finished_call_of_an_inactive_agent_is_denied_and_keeps_its_report(caller):
    agent = caller.post("/v1/agents", {"label": "x", "status": "inactive"}).json()
    call = NAMES | {"agentId": agent["id"], "costs": [cost("1")], "outcome": "success", "responseFacts": report()}
    denied, again = (caller.post(URL, call, **{"Idempotency-Key": "k"}).json() for _ in range(2))
    assert denied == again  # the first reply is made without a query, the second is read from the ledger
    assert (denied["status"], denied["outcome"], denied["costs"], denied["completedAt"]) == ("denied", None, [], None)
    assert (denied["pricing"]["status"], "costId" in denied) == ("not_asked", False)
    facts = caller.get(f"{URL}/{denied['id']}/facts").json()["facts"]
    assert sorted((fact["factPhase"], fact["pricing"]) for fact in facts) == [("request", "not_asked"), ("response", "not_asked")]
    assert [fact["facts"]["costs"][0]["fiatAmount"] for fact in facts if fact["factPhase"] == "request"] == ["1"]
    [item] = caller.post(f"{URL}/batch", [call, NAMES][:1], Prefer="return=minimal").json()["data"]
    assert (item["status"], item["transactionStatus"]) == (201, "denied")
    assert caller.get("/v1/analytics/summary").json()["data"]["spend"] == []
    assert list(checks.find_violations()) == []


def test_a_finished_call_waits_for_nobody(caller):
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", authorizes_at_once=False)
    assert caller.post(URL, NAMES).json()["status"] == "pending"
    assert caller.post(URL, NAMES | {"outcome": "success"}).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"responseFacts": report()}, "responseFacts need an outcome: success or error"),
        ({"outcome": "done", "responseFacts": report()}, "outcome must be one of the following values: success, error"),
        ({"outcome": "success", "responseFacts": []}, "responseFacts must be an object"),
        ({"outcome": "success", "responseFacts": {"source": "s", "version": "1"}}, "responseFacts.facts should not be empty"),
        ({"outcome": "success", "responseFacts": report(facts=[1])}, "responseFacts.facts must be an object"),
        ({"outcome": "success", "responseFacts": report(callId=5)}, "responseFacts.callId must be a string"),
    ],
)
def test_what_is_no_finished_call_is_refused_and_nothing_is_written(caller, body, message):
    assert caller.post(URL, NAMES | body).json()["message"] == [message]
    assert caller.post(f"{URL}/batch", [NAMES | body]).json()["data"][0]["error"]["message"] == [message]
    assert not Transaction.objects.exists()


def test_completions_costs_and_facts_come_in_batches_each_item_for_itself(caller, outsider):
    theirs = outsider.create()["id"]
    ids = [caller.create(**NAMES, costs=[cost("1")])["id"] for _ in range(3)]
    lines = [{"transactionId": one} | report(2, factPhase="partial", callId=call) for one, call in zip([*ids, theirs], "aaab", strict=True)]
    body = caller.post(f"{URL}/facts/batch", [*lines, {"transactionId": "x"}, {}]).json()
    assert [item["status"] for item in body["data"]] == [201, 201, 201, 404, 400, 400]
    assert [item["pricing"]["status"] for item in body["data"][:3]] == ["priced"] * 3
    assert [item["superseded"][0]["fiatAmount"] for item in body["data"][:3]] == [f"{1:.18f}"] * 3
    costs = [
        {"transactionId": ids[0]} | cost("5", is_estimate=False),
        {"transactionId": theirs} | cost("5"),
        {"transactionId": ids[0], **cost("-1")},
    ]
    body = caller.post(f"{URL}/costs/batch", costs).json()
    assert [item["status"] for item in body["data"]] == [201, 404, 400]
    assert (body["data"][0]["cost"]["id"], body["data"][0]["cost"]["fiatAmount"]) == (body["data"][0]["costId"], f"{5:.18f}")
    ends = [
        {"transactionId": one, "outcome": "success", "responseFacts": report(7, callId="a")} for one in [*ids, ids[0], theirs, str(uuid4())]
    ]
    body = caller.post(f"{URL}/complete/batch", ends).json()
    assert [item["status"] for item in body["data"]] == [200, 200, 200, 400, 404, 404]
    assert body["data"][3]["error"]["message"].endswith("must be in authorized status to complete. Current status: completed")
    assert [item["transaction"] for item in body["data"][:3]] == [caller.read(one) for one in ids]
    assert [total(caller, one) for one in ids] == [12, 7, 7]
    assert body["meta"] == {"posted": 3, "replayed": 0, "refused": 3}
    assert Transaction.objects.get(id=theirs).status == "authorized"
    assert list(checks.find_violations()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("call", "item", "reads"),
    [
        ("complete", {"outcome": "success", "responseFacts": report()}, 2),
        ("costs", cost("1"), 0),
        ("facts", report(factPhase="response"), 2),
    ],
)
def test_a_batch_of_additions_is_one_statement_that_writes_and_is_replayed(caller, call, item, reads):
    made = caller.post(f"{URL}/batch?reply=ids", [NAMES] * 50).json()["data"]
    items = [{"transactionId": one["id"]} | item for one in made]
    key = {"Idempotency-Key": "K", "Prefer": "return=minimal"}
    with CaptureQueriesContext(connection) as queries:
        first = caller.post(f"{URL}/{call}/batch", items, **key).json()
    assert sum("metering_amend" in query["sql"] for query in queries) == 1
    assert len(queries) == 1 + reads
    assert first["meta"]["posted"] == 50
    again = caller.post(f"{URL}/{call}/batch", items, **key).json()
    assert again["meta"]["replayed"] == 50
    names = ("id", "factId", "costId")
    assert [[one.get(name) for name in names] for one in again["data"]] == [[one.get(name) for name in names] for one in first["data"]]
    full = caller.post(f"{URL}/{call}/batch", items, **{"Idempotency-Key": "K"}).json()
    assert full["meta"]["replayed"] == 50
    other = caller.post(f"{URL}/{call}/batch", [items[1], *items[1:]], **{"Idempotency-Key": "K"}).json()
    assert (other["data"][0]["status"], other["meta"]["replayed"]) == (409, 49)


@pytest.mark.parametrize("call", ["complete", "costs", "facts"])
@pytest.mark.parametrize("raw", [b"", b"{}", b"[", b"null", b'"x"'])
def test_a_body_that_is_no_array_is_refused_whole(caller, call, raw):
    assert caller.post(f"{URL}/{call}/batch", raw).status_code == 400


def test_unknown_members_of_items_and_of_the_query_are_refused(caller):
    one = caller.create()["id"]
    for call, item in (("complete", {"outcome": "success"}), ("costs", cost("1")), ("facts", report(factPhase="response"))):
        body = caller.post(f"{URL}/{call}/batch", [{"transactionId": one, "oucome": 1} | item]).json()
        assert body["data"][0]["status"] == 400, body
        assert caller.post(f"{URL}/{call}/batch?replay=ids", []).status_code == 400
        assert caller.post(f"{URL}/{call}/batch", []).json()["meta"]["posted"] == 0
    assert not Cost.objects.exists()


@pytest.mark.parametrize("form", ["one", "batch"])
def test_spending_rules_decide_on_finished_calls_by_what_they_cost(caller, form):
    rule = create_rule(caller)
    # The estimate is superseded already: 4 dollars are spent, then 8; a third call would make it 12 of 10.
    call = NAMES | {"costs": [cost("100")], "outcome": "success", "responseFacts": report(4)}
    if form == "one":
        made = [caller.post(URL, call).json() for _ in range(3)]
    else:
        made = [item["transaction"] for item in caller.post(f"{URL}/batch", [call] * 3).json()["data"]]
    assert [(one["status"], one["outcome"]) for one in made] == [("completed", "success"), ("completed", "success"), ("denied", None)]
    assert "would exceed limit of 10.00 USD" in made[2]["declineReason"]
    assert caller.get(f"/v1/spending-rules/{rule['id']}/usage").json()["data"][0]["used"] == f"{8:.18f}"
    summary = caller.get("/v1/analytics/summary").json()["data"]
    assert [summary[name] for name in ("transactions", "succeeded", "denied")] == [3, 2, 1]
    assert summary["spend"][0]["actual"] == f"{8:.18f}"
    assert list(checks.find_violations()) == []


def test_a_finished_call_that_a_person_has_to_decide_waits_with_its_report_and_its_cost(caller):
    create_rule(caller, resolutionStrategy="manual")
    call = NAMES | {"costs": [cost("1")], "outcome": "success", "responseFacts": report(40)}
    waiting = caller.post(URL, call).json()
    assert (waiting["status"], waiting["outcome"], waiting["completedAt"]) == ("preparing", None, None)
    assert (waiting["pricing"]["status"], total(caller, waiting["id"])) == ("priced", 40)
    assert caller.get("/v1/analytics/summary").json()["data"]["succeeded"] == 0
    assert list(checks.find_violations()) == []
