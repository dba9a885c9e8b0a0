"""POST /v1/billing/transactions/{id}/reverse: taking back, whole or in parts, never more than there was."""

from decimal import Decimal
from unittest.mock import ANY

import pytest

from billing import services
from billing.models import Transaction
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db


@pytest.fixture
def original(record):
    record(type="topup", amount=100, reference_id="start")
    return record(type="usage", amount=30.5, reference_id="order-1", agent_id="agent-7", occurred_at="2026-01-31T00:00:00Z")


@pytest.fixture
def reverse(send, original):
    def reverse(body=b"", *, id=original["id"], **more):
        return send("POST", f"{TRANSACTIONS}/{id}/reverse", body, **more)

    return reverse


def test_the_whole_is_taken_back_by_an_opposite_entry(reverse, original, send):
    response = reverse({"reason_code": "duplicate", "reason": "Clicked twice"})
    assert response.status_code == 200
    assert response.json() == original | {
        "id": ANY,
        "reference_id": ANY,
        "effect": 30.5,
        "balance": 100,
        "entry_number": 3,
        "occurred_at": ANY,
        "created_at": ANY,
        "reverses": original["id"],
        "reason_code": "duplicate",
        "reason": "Clicked twice",
    }
    seen = send("GET", f"{TRANSACTIONS}/{original['id']}").json()
    assert seen == original | {"reversed_by": response.json()["id"], "reversed_amount": 30.5}


def test_a_second_time_is_a_conflict_that_names_the_first(reverse, original):
    first = reverse().json()
    response = reverse()
    assert response.status_code == 409
    assert response.json() == {
        "detail": f"Transaction {original['id']} is reversed already, by {first['id']}",
        "id": original["id"],
        "reversed_by": first["id"],
    }
    assert Transaction.objects.count() == 3


def test_with_a_reference_the_same_request_again_is_a_replay(reverse):
    first = reverse({"reference_id": "undo-1"})
    again = reverse({"reference_id": "undo-1"})
    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert again.content == first.content
    other = reverse({"reference_id": "undo-1", "reason": "another"})
    assert (other.status_code, other.json()["fields"]) == (409, ["reason"])


def test_parts_never_exceed_the_whole(reverse, original, send):
    assert reverse({"amount": 10, "reference_id": "part 1"}).json()["balance"] == 79.5
    assert reverse({"amount": "20.49", "reference_id": "part 2"}).json()["balance"] == 99.99
    refused = reverse({"amount": "0.02", "reference_id": "part 3"})
    assert refused.status_code == 409
    assert refused.json() == {
        "detail": f"Only 0.01 of transaction {original['id']} are left to reverse",
        "id": original["id"],
        "requested": 0.02,
        "remaining": 0.01,
    }
    seen = send("GET", f"{TRANSACTIONS}/{original['id']}").json()
    assert (seen["reversed_by"], seen["reversed_amount"]) == (None, 30.49)
    rest = reverse().json()
    assert (rest["amount"], rest["balance"]) == (0.01, 100)
    assert send("GET", f"{TRANSACTIONS}/{original['id']}").json()["reversed_by"] == rest["id"]
    assert reverse({"amount": 1, "reference_id": "part 4"}).status_code == 409


def test_a_part_without_a_reference_could_happen_twice_and_is_refused(reverse):
    response = reverse({"amount": 10})
    assert response.status_code == 422
    assert response.json()["detail"] == [
        {"type": "missing", "loc": ["body", "reference_id"], "msg": "Field required", "input": {"amount": 10}}
    ]


def test_a_reversal_is_not_reversed(reverse):
    reversal = reverse().json()
    response = reverse(id=reversal["id"])
    assert (response.status_code, response.json()["id"]) == (409, reversal["id"])


def test_a_credit_that_was_spent_is_not_taken_back_below_the_floor(reverse, record, context, original):
    topup = Transaction.objects.get(type="topup")
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    response = reverse(id=topup.id)
    assert (response.status_code, response.json()["requested"]) == (402, 100)
    assert reverse({"amount": "69.5", "reference_id": "what is left"}, id=topup.id).json()["balance"] == 0


def test_a_zero_entry_can_be_reversed_once(reverse, record):
    free = record(type="subscription", amount=0, reference_id="free")
    assert reverse(id=free["id"]).json()["amount"] == 0
    assert reverse(id=free["id"]).status_code == 409


def test_a_negative_adjustment_is_taken_back_by_a_negative_amount_with_a_positive_effect(reverse, record):
    adjustment = record(type="adjustment", amount=-8, reference_id="down")
    reversal = reverse({"amount": 3, "reference_id": "part"}, id=adjustment["id"]).json()
    assert (reversal["amount"], reversal["effect"]) == (-3, 3)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"reason_code": "because"}, "reason_code"),
        ({"reason_code": None}, "reason_code"),
        ({"amount": 0, "reference_id": "x"}, "amount"),
        ({"amount": -1, "reference_id": "x"}, "amount"),
        ({"reference_id": ""}, "reference_id"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(reverse, body, place):
    response = reverse(body)
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", place])
    assert Transaction.objects.count() == 2


def test_what_another_tenant_recorded_does_not_exist(reverse, outsider):
    response = reverse(key=outsider)
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_a_strict_tenant_takes_back_what_it_recorded_before_it_was_strict(context, record, send):
    recorded = record(type="own", amount=5)
    services.set_policy(**context, strict_types=True)
    response = send("POST", f"{TRANSACTIONS}/{recorded['id']}/reverse")
    assert (response.status_code, response.json()["effect"]) == (200, -5)
