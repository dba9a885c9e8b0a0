"""Pulling events, and the catalogue of types."""

import json
import threading

import pytest
from django.db import connection, connections, transaction

from kernel.events import ids, registry
from kernel.events.models import Delivery, Event
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from tests.factories import IssuedKeyFactory
from tests.kernel.events.api.conftest import SNAPSHOTS, Caller, finish, hours_ago
from tests.kernel.events.api.test_endpoints import refused

EVENTS = "/v1/events"
RECORDED = "billing.transaction.recorded"


def page(caller, address=EVENTS):
    reply = caller.send("GET", address)
    assert reply.status_code == 200, reply.content
    body = reply.json()
    return [event["id"] for event in body["data"]], body["links"]["next"], body["meta"]["page"]["hasNext"]


@pytest.mark.django_db
def test_events_are_listed_as_they_are_sent_and_filtered(caller, outsider):
    caller.endpoint(enabledEvents=["*"])
    caller.event(object_id="t-1")
    caller.event("credits.balance.low", account="customer:c1")
    finish(Delivery.objects.latest("id"), "failed")
    first, second = Event.objects.order_by("position")
    reply = caller.send("GET", EVENTS)
    assert first.body in reply.content.decode()
    assert [event["type"] for event in reply.json()["data"]] == ["billing.transaction.recorded", "credits.balance.low"]
    for query, wanted in {
        "filter[type]=credits.*": [second],
        "filter[type]=*": [first, second],
        "filter[account]=wallet:USD": [first],
        "filter[object]=t-1": [first],
        "filter[delivery]=failed": [second],
        f"filter[from]={hours_ago(1)}": [first, second],
        f"filter[to]={hours_ago(1)}": [],
        "sort=-createdAt": [second, first],
    }.items():
        assert page(caller, f"{EVENTS}?{query}")[0] == [ids.event_ref(event.id) for event in wanted], query
    one = caller.send("GET", f"{EVENTS}/{ids.event_ref(first.id)}")
    assert one.content.decode() == first.body
    assert page(outsider)[0] == []
    for reference in (ids.event_ref(first.id), f"evt_{'0' * 32}", "evt_1"):
        refused(outsider.send("GET", f"{EVENTS}/{reference}"), 404, f"Event {reference} not found")
    refused(caller.send("GET", f"{EVENTS}?filter[typ]=x"), 400, "did you mean filter[type]?")


@pytest.mark.django_db
def test_the_last_page_has_a_cursor_from_which_to_read_on(caller):
    caller.endpoint()
    for _ in range(3):
        caller.event()
    first, following, has_next = page(caller, f"{EVENTS}?page[limit]=2")
    assert (len(first), has_next) == (2, True)
    second, following, has_next = page(caller, following)
    assert (len(second), has_next) == (1, False)
    nothing, following, has_next = page(caller, following)
    assert (nothing, has_next) == ([], False)
    caller.event()
    fresh, _, _ = page(caller, following)
    assert fresh == [ids.event_ref(Event.objects.latest("position").id)]
    assert page(caller, f"{EVENTS}?sort=-createdAt")[1] is None


@pytest.mark.django_db(transaction=True)
def test_who_pulls_skips_no_event_of_a_transaction_that_commits_late():
    caller = Caller(IssuedKeyFactory())
    caller.endpoint()
    written, proceed = threading.Event(), threading.Event()

    def slow_transaction():
        try:
            with transaction.atomic():
                write_event(tenant_id=caller.tenant.pk, type=RECORDED, object_id="early", snapshot=SNAPSHOTS[RECORDED])
                written.set()
                assert proceed.wait(20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=slow_transaction)
    thread.start()
    try:
        assert written.wait(20)
        caller.event(object_id="late")
        seen, following, _ = page(caller)
    finally:
        proceed.set()
        thread.join(20)
    fan_out()
    more, _, _ = page(caller, following)
    objects = dict(Event.objects.values_list("id", "object_id"))
    assert [objects[ids.parse_ref(reference, "evt")] for reference in seen + more] == ["late", "early"]
    connection.close()


@pytest.mark.django_db
def test_the_catalogue_has_every_type_with_an_example(caller):
    body = caller.send("GET", "/v1/event-types").json()
    assert body["apiVersion"] == "2026-12"
    assert [each["name"] for each in body["types"]] == [each.name for each in registry.list_types()]
    low = next(each for each in body["types"] if each["name"] == "billing.wallet.balance_low")
    described = registry.get_type("billing.wallet.balance_low")
    assert low == {
        "name": "billing.wallet.balance_low",
        "group": "billing",
        "description": described.description,
        "account": "wallet:USD",
        "objectType": "wallet",
        "example": json.loads(json.dumps(described.example)),
    }
    groups = {each["group"] for each in caller.send("GET", "/v1/event-types?filter[group]=credits").json()["types"]}
    assert groups == {"credits"}
    refused(caller.send("GET", "/v1/event-types?filter[group]=credit"), 400, "must be one of the following values: billing")
