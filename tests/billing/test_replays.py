"""A repeated call that states what the row records, a default among it, is a replay; one that states something else is a conflict."""

import pytest

from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
SENT = {"amount": "9.5", "type": "usage", "reference_id": "one"}


def repeat(send, body):
    response = send("POST", TRANSACTIONS, body)
    return response.status_code, response.get("Idempotent-Replayed"), response.json()


@pytest.mark.parametrize(
    "stated",
    [
        {"currency": "USD"},
        {"metadata": {}},
        {"metadata": None, "agent_id": None, "description": None, "occurred_at": None},
        {"amount": "9.500"},
        {"currency": "USD", "metadata": {}, "amount": 9.5},
    ],
)
def test_stating_a_default_is_no_difference(send, record, stated):
    first = record(**SENT)
    assert repeat(send, SENT | stated) == (200, "true", first)


def test_stating_the_time_that_was_recorded_is_no_difference(send, record):
    first = record(**SENT)
    assert repeat(send, SENT | {"occurred_at": first["occurred_at"]}) == (200, "true", first)
    assert repeat(send, SENT | {"occurred_at": "2026-01-01T00:00:00Z"})[0] == 409


@pytest.mark.parametrize("default", [{"currency": "USD"}, {"metadata": {}}])
def test_leaving_out_a_default_that_was_stated_is_no_difference(send, record, default):
    first = record(**SENT, **default)
    assert repeat(send, SENT) == (200, "true", first)


@pytest.mark.parametrize(
    ("first", "second", "fields"),
    [
        ({}, {"currency": "EUR"}, ["currency"]),
        ({"currency": "EUR"}, {}, ["currency"]),
        ({}, {"metadata": {"a": 1}}, ["metadata"]),
        ({"metadata": {"a": 1}}, {}, ["metadata"]),
        ({"metadata": {"a": 1}}, {"metadata": {}}, ["metadata"]),
        ({}, {"description": ""}, ["description"]),
        ({}, {"agent_id": ""}, ["agent_id"]),
        ({"occurred_at": "2026-01-01T00:00:00Z"}, {}, ["occurred_at"]),
        ({}, {"currency": "USD", "amount": 9}, ["amount"]),
    ],
)
def test_another_fact_is_a_conflict_that_names_it(send, record, first, second, fields):
    recorded = record(**SENT, **first)
    status, _, body = repeat(send, SENT | second)
    assert (status, body["fields"], body["first_id"]) == (409, fields, recorded["id"])


def test_a_batch_decides_in_the_same_way(send, record):
    first = record(**SENT)
    items = [SENT | {"currency": "USD", "metadata": {}}, SENT | {"currency": "EUR"}]
    results = send("POST", f"{TRANSACTIONS}/batch", {"transactions": items}).json()["results"]
    assert results[0] == {"status": 200, "replayed": True, "transaction": first}
    assert (results[1]["status"], results[1]["fields"]) == (409, ["currency"])


def test_a_repeated_reversal_may_state_what_it_took(send, record):
    original = record(**SENT)
    path = f"{TRANSACTIONS}/{original['id']}/reverse"
    first = send("POST", path, {"reference_id": "undo"}).json()
    again = send("POST", path, {"reference_id": "undo", "amount": "9.5", "reason_code": "other", "reason": "", "metadata": {}})
    assert (again.status_code, again.get("Idempotent-Replayed"), again.json()) == (200, "true", first)
    assert send("POST", path, {"reference_id": "undo", "amount": "9"}).json()["fields"] == ["amount"]


def test_in_an_atomic_batch_that_is_refused_a_repeated_item_is_not_recorded_either(send):
    """Its first one is of the same batch, so it was rolled back with it."""
    items = [SENT, SENT, {"amount": -1, "type": "usage", "reference_id": "refused"}]
    body = send("POST", f"{TRANSACTIONS}/batch", {"transactions": items, "atomic": True}).json()
    assert [result["status"] for result in body["results"]] == [424, 424, 422]


@pytest.mark.parametrize("amount", [None, "4"])
def test_a_replay_answers_the_first_reply_though_the_entry_was_reversed_since(send, record, amount):
    first = record(**SENT)
    part = {} if amount is None else {"amount": amount, "reference_id": "part"}
    assert send("POST", f"{TRANSACTIONS}/{first['id']}/reverse", part).status_code == 200
    assert repeat(send, SENT) == (200, "true", first)
    [result] = send("POST", f"{TRANSACTIONS}/batch", {"transactions": [SENT]}).json()["results"]
    assert result["transaction"] == first
    assert send("GET", f"{TRANSACTIONS}/{first['id']}").json()["reversed_amount"] > 0
