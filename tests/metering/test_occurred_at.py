"""`occurredAt`: when something happened, by the caller's clock. Bounds, replays, status dates, prices, lists and analytics go by it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from metering import services
from metering.integrity import checks
from metering.models import Cost, Fact, Policy, StatusChange, Transaction
from tests.metering.conftest import Caller

URL = "/v1/transactions"
COST = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}
FACTS = {"source": "s", "version": "1", "facts": {"pages": 2}}


def wire(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ago(**span: float) -> datetime:
    return (timezone.now() - timedelta(**span)).replace(microsecond=0)


def send(caller: Caller, call: str, moment: Any, **headers: str) -> Any:
    """One call that states when something happened: a create, or an addition to a new transaction."""
    if call == "create":
        return caller.post(URL, {"serviceName": "s", "costs": [COST], "occurredAt": moment}, **headers)
    if call == "batch":
        return caller.post(f"{URL}/batch", [{"serviceName": "s", "costs": [COST], "occurredAt": moment}], **headers)
    path = f"{URL}/{caller.create()['id']}/{call}"
    bodies = {
        "complete": {"outcome": "success", "responseFacts": FACTS},
        "costs": COST,
        "facts": {**FACTS, "factPhase": "response"},
    }
    return caller.post(path, bodies[call] | {"occurredAt": moment}, **headers)


@pytest.mark.parametrize("call", ["create", "batch", "complete", "costs", "facts"])
def test_a_time_within_the_bounds_is_recorded_and_one_beyond_is_refused_with_both_bounds(caller, call):
    message = "occurredAt must not be more than 35 days before the present, nor more than 5 minutes after it"
    for moment in (ago(days=35, seconds=2), ago(minutes=-5, seconds=-5)):
        reply = send(caller, call, wire(moment))
        error = reply.json()["data"][0]["error"] if call == "batch" else reply.json()
        assert error == {"message": [message], "error": "Bad Request", "statusCode": 400}
    assert not Transaction.objects.filter(status="completed").exists()
    assert not Fact.objects.exists()
    for moment in (ago(days=34, hours=23), ago(minutes=-4)):
        reply = send(caller, call, wire(moment))
        assert reply.status_code in {200, 201}, reply.content
        row = {"create": Transaction, "batch": Transaction, "complete": StatusChange, "costs": Cost, "facts": Fact}[call]
        assert row.objects.order_by("id").last().occurred_at == moment
    assert list(checks.find_violations()) == []


@pytest.mark.parametrize("bad", ["yesterday", 5, "2026-01-31", "2026-01-31T12:00:00", {}, "0000-01-01T00:00:00Z", ""])
@pytest.mark.parametrize("call", ["create", "complete", "costs", "facts"])
def test_what_is_no_moment_is_refused(caller, call, bad):
    reply = send(caller, call, bad)
    assert reply.status_code == 400
    assert reply.json()["message"][0].startswith("occurredAt must be"), reply.content


def test_the_bounds_are_the_tenants_policy(caller, outsider):
    context: dict[str, Any] = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    services.set_policy(**context, backdating_limit=timedelta(hours=36), postdating_limit=timedelta(0))
    refused = send(caller, "create", wire(ago(days=2)))
    bounds = "occurredAt must not be more than 1 day 12 hours before the present, nor more than 0 seconds after it"
    assert refused.json()["message"] == [bounds]
    assert send(caller, "create", wire(ago(minutes=-1))).status_code == 400
    assert send(caller, "create", wire(ago(hours=35))).status_code == 201
    assert send(outsider, "create", wire(ago(days=2))).status_code == 201
    services.set_policy(**context, authorizes_at_once=True)
    assert Policy.objects.get().backdating_limit == timedelta(hours=36)


@pytest.mark.parametrize("call", ["create", "complete", "costs", "facts"])
def test_null_is_now(caller, call):
    assert send(caller, call, None).status_code in {200, 201}


def test_every_reply_has_both_times(caller):
    moment = ago(days=3)
    created = caller.post(URL, {"serviceName": "s", "costs": [COST], "occurredAt": wire(moment)}).json()
    assert created["occurredAt"] == created["costs"][0]["occurredAt"] == wire(moment) < created["createdAt"]
    # The decision is made now; only a file or a finished call brings one of its own time.
    assert created["authorizedAt"] == created["createdAt"]
    path = f"{URL}/{created['id']}"
    later = [wire(moment + timedelta(minutes=number)) for number in range(4)]
    cost = caller.post(f"{path}/costs", COST | {"occurredAt": later[0]}).json()
    report = {**FACTS, "factPhase": "partial", "occurredAt": later[1]}
    reported = caller.post(f"{path}/facts", report, **{"Idempotency-Key": "k"}).json()
    assert caller.post(f"{path}/facts", report, **{"Idempotency-Key": "k"}).json() == reported
    [item] = caller.post(f"{URL}/facts/batch", [report | {"transactionId": created["id"]}]).json()["data"]
    completed = caller.post(f"{path}/complete", {"outcome": "success", "occurredAt": later[2]}).json()
    assert cost["occurredAt"] == later[0]
    assert reported["occurredAt"] == item["occurredAt"] == later[1]
    listed = caller.get(f"{path}/facts").json()["facts"]
    assert [(fact["id"], fact["occurredAt"]) for fact in listed] == [(one["factId"], later[1]) for one in (reported, item)]
    assert (completed["occurredAt"], completed["completedAt"]) == (wire(moment), later[2])
    steps = caller.get(f"{path}/history").json()["history"]
    assert [step["occurredAt"] for step in steps] == [created["createdAt"], later[2]]
    assert caller.read(created["id"]) == completed["transaction"]
    assert [row["occurredAt"] for row in caller.get(URL).json()["data"]] == [wire(moment)]
    assert list(checks.find_violations()) == []


@pytest.mark.parametrize("call", ["create", "complete", "costs", "facts"])
def test_the_time_is_one_of_the_facts_of_a_call(caller, call):
    created = caller.create()
    path = URL if call == "create" else f"{URL}/{created['id']}/{call}"
    body = {
        "create": {"serviceName": "s"},
        "complete": {"outcome": "success"},
        "costs": COST,
        "facts": {**FACTS, "factPhase": "response"},
    }[call]
    key, moment = {"Idempotency-Key": "k"}, wire(ago(days=1))
    first = caller.post(path, body | {"occurredAt": moment}, **key)
    again = caller.post(path, body | {"occurredAt": moment.replace(".000Z", "+00:00")}, **key)
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (again.status_code, first.status_code, "true")
    other = caller.post(path, body | {"occurredAt": wire(ago(days=2))}, **key)
    assert (other.status_code, "(occurredAt)" in other.json()["message"]) == (409, True)


def test_a_replay_may_state_the_time_that_the_first_reply_said_and_comes_after_its_bounds_have_passed(caller):
    first = caller.post(URL, {"serviceName": "s"}, **{"Idempotency-Key": "k"}).json()
    again = caller.post(URL, {"serviceName": "s", "occurredAt": first["occurredAt"]}, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (201, first["id"])
    old = {"serviceName": "s", "occurredAt": wire(ago(days=20))}
    made = caller.post(URL, old, **{"Idempotency-Key": "old"}).json()
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", backdating_limit=timedelta(days=1))
    late = caller.post(URL, old, **{"Idempotency-Key": "old"})
    assert (late.status_code, late.json()["id"], late.headers["Idempotent-Replayed"]) == (201, made["id"], "true")


def test_a_price_is_the_one_that_was_valid_when_the_transaction_happened(caller):
    context: dict[str, Any] = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    for days, amount in ((30, "0.10"), (10, "0.20")):
        unit = services.parse_unit(f"pages={amount}")
        services.set_price(**context, service_name="s", currency="USD", units=[unit], valid_from=ago(days=days))
    for days, expected in ((20, "0.20"), (10.01, "0.20"), (9.99, "0.40"), (0, "0.40")):
        created = caller.post(URL, {"serviceName": "s", "occurredAt": wire(ago(days=days))}).json()
        done = caller.post(f"{URL}/{created['id']}/complete", {"outcome": "success", "responseFacts": FACTS}).json()
        assert [Decimal(cost["fiatAmount"]) for cost in done["costs"]] == [Decimal(expected)], days


def test_lists_choose_and_sort_by_when_it_happened(caller, outsider):
    outsider.post(URL, {"serviceName": "s", "occurredAt": wire(ago(days=2))})
    moments = [ago(days=days) for days in (2, 5, 1, 2, 4)]
    ids = [caller.post(URL, {"serviceName": "s", "occurredAt": wire(moment)}).json()["id"] for moment in moments]
    by_time = sorted(range(5), key=lambda place: (moments[place], ids[place]))
    for sort, order in (("occurred_at", by_time), ("-occurred_at", by_time[::-1]), ("-created_at", [4, 3, 2, 1, 0])):
        seen, page = [], caller.get(URL, **{"page[limit]": 2, "sort": sort}).json()
        seen += page["data"]
        while page["links"]["next"]:
            page = caller.client.get(page["links"]["next"], headers=caller.headers).json()
            seen += page["data"]
        assert [row["id"] for row in seen] == [ids[place] for place in order]
    for filters, places in (
        ({"filter[occurred_from]": wire(moments[0])}, {0, 2, 3}),
        ({"filter[occurred_to]": wire(moments[0])}, {1, 4}),
        ({"filter[occurred_from]": wire(moments[4]), "filter[occurred_to]": wire(moments[2])}, {0, 3, 4}),
        ({"filter[occurred_from]": moments[1].date().isoformat(), "filter[occurred_to]": moments[1].date().isoformat()}, {1}),
        ({"filter[occurred_to]": wire(moments[2]), "filter[from_date]": wire(ago(hours=1))}, {0, 1, 3, 4}),
    ):
        reply = caller.get(URL, **filters)
        assert {row["id"] for row in reply.json()["data"]} == {ids[place] for place in places}, filters
        assert ("Final-Until" in reply.headers) == ("filter[occurred_to]" in filters)
    assert caller.get(URL, **{"filter[occured_from]": "2026-01-01"}).json()["message"] == [
        "filter[occured_from] should not exist; did you mean filter[occurred_from]?"
    ]


def test_what_a_point_of_a_chart_is_made_of_can_be_listed(caller):
    for hours in (30, 30, 31, 55):
        caller.post(URL, {"serviceName": "s", "costs": [COST], "occurredAt": wire(ago(hours=hours))})
    chart = caller.get("/v1/analytics/chart", interval="day", **{"filter[time_period]": "7d"}).json()
    assert chart["meta"]["clock"] == "occurredAt"
    starts = [point["startsAt"] for point in chart["data"]]
    seen = 0
    for point, end in zip(chart["data"], [*starts[1:], chart["meta"]["toDate"]], strict=True):
        listed = caller.get(URL, **{"filter[occurred_from]": point["startsAt"], "filter[occurred_to]": end}).json()["data"]
        assert len(listed) == point["transactions"]
        seen += len(listed)
    assert seen == 4
