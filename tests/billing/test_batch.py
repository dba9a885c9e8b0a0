"""POST /v1/billing/transactions/batch: one outcome for each, or all or none."""

from decimal import Decimal

import pytest

from billing import services
from billing.models import Transaction, Wallet
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
BATCH = f"{TRANSACTIONS}/batch"


def line(number, **facts):
    return {"amount": 1, "type": "topup", "reference_id": str(number)} | facts


def test_each_item_has_the_outcome_it_would_have_had_alone(send, record, context):
    services.set_policy(**context, near_duplicate_seconds=0)
    first = record(type="topup", amount=1, reference_id="0")
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    items = [
        line(0),
        line(0, amount=2),
        line(1),
        line(1),
        line(2, amount="abc", type=7),
        line(3, type="usage", amount=99),
        line(4, type="usage", amount=-1),
        "x",
        line(5, type="usage", amount=2),
    ]
    response = send("POST", BATCH, {"transactions": items})
    assert response.status_code == 200
    body = response.json()
    assert {name: body[name] for name in ("recorded", "replayed", "refused")} == {"recorded": 2, "replayed": 2, "refused": 5}
    results = body["results"]
    assert [result["status"] for result in results] == [200, 409, 200, 200, 422, 402, 422, 422, 200]
    assert results[0] == {"status": 200, "replayed": True, "transaction": first}
    assert (results[1]["first_id"], results[1]["fields"]) == (first["id"], ["amount"])
    assert results[3] == results[2] | {"replayed": True}
    assert [(error["type"], error["loc"]) for error in results[4]["detail"]] == [
        ("float_parsing", ["body", "transactions", 4, "amount"]),
        ("string_type", ["body", "transactions", 4, "type"]),
    ]
    insufficient = {"detail": "Insufficient balance", "balance": 2, "held": 0, "available": 2, "requested": 99, "floor": 0}
    assert results[5] == {"status": 402, "currency": "USD"} | insufficient
    assert [(error["type"], error["loc"]) for error in results[6]["detail"]] == [
        ("greater_than_equal", ["body", "transactions", 6, "amount"])
    ]
    assert [(error["type"], error["loc"]) for error in results[7]["detail"]] == [("model_attributes_type", ["body", "transactions", 7])]
    assert results[8]["transaction"]["balance"] == 0
    assert Transaction.objects.count() == 3


def test_atomic_is_all(send):
    response = send("POST", BATCH, {"transactions": [line(number) for number in range(3)], "atomic": True})
    assert (response.status_code, response.json()["recorded"]) == (200, 3)
    assert Wallet.objects.get().balance == 3


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (line(9, amount="abc"), 422),
        (line(9, type="usage", amount=-1), 422),
        (line(9, type="usage", amount=99), 402),
        (line(0, amount=2), 409),
    ],
)
def test_or_none_and_then_the_reply_has_the_status_of_the_first_refusal(send, record, context, bad, status):
    record(**line(0))
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    response = send("POST", BATCH, {"transactions": [line(0), line(1), bad, line(2)], "atomic": True})
    body = response.json()
    assert response.status_code == status
    assert body["detail"] == body["results"][2]["detail"]
    assert [result["status"] for result in body["results"][2:]] == [status, 424]
    assert body["results"][1] == {"status": 424, "detail": "Not recorded: another transaction of the batch was refused"}
    assert (body["recorded"], Transaction.objects.count()) == (0, 1)


def test_a_body_that_is_no_batch_is_refused(send):
    for body, kind in [
        ({}, "missing"),
        ({"transactions": None}, "list_type"),
        ({"transactions": {}}, "list_type"),
        ({"transactions": []}, "too_short"),
        ({"transactions": [line(number) for number in range(1001)]}, "too_long"),
    ]:
        response = send("POST", BATCH, body)
        assert response.status_code == 422
        assert [(error["type"], error["loc"]) for error in response.json()["detail"]] == [(kind, ["body", "transactions"])]
    response = send("POST", BATCH, {"transactions": [line(1)], "atomic": "yes"})
    assert response.json()["detail"][0]["loc"] == ["body", "atomic"]
    assert not Transaction.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("atomic", "count"), [(False, 1), (True, 5)])
def test_a_thousand_are_one_posting_call(send, django_assert_num_queries, atomic, count):
    """Atomic adds BEGIN and COMMIT, and the savepoint of the posting."""
    send("GET", "/v1/billing/wallet")
    with django_assert_num_queries(count):
        response = send("POST", BATCH, {"transactions": [line(number) for number in range(1000)], "atomic": atomic})
    assert response.json()["recorded"] == 1000
    assert Wallet.objects.get().last_entry_number == 1000
