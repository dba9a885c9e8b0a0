"""POST /v1/billing/transactions: the published call."""

import base64
import json
from decimal import Decimal
from unittest.mock import ANY

import pytest

from billing import services
from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from billing.services import encode_import
from kernel.tenants import services as tenants
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
USAGE = {"amount": 30.5, "type": "usage", "reference_id": "order-1"}


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_transaction_is_recorded_and_answered_in_full(send, key):
    response = send(
        "POST",
        TRANSACTIONS,
        b'{"amount": 30.50, "type": "usage", "reference_id": "order-1", "agent_id": "agent-7", "description": "Two calls",'
        b' "occurred_at": "2026-01-31T23:59:59.5+01:00", "metadata": {"b": 1.50, "a": 1e2}}',
    )
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in response
    assert response.json() == {
        "id": ANY,
        "amount": 30.5,
        "type": "usage",
        "reference_id": "order-1",
        "agent_id": "agent-7",
        "description": "Two calls",
        "currency": "USD",
        "balance": -30.5,
        "occurred_at": "2026-01-31T22:59:59.500000Z",
        "created_at": ANY,
        "metadata": {"b": 1.5, "a": 100.0},
        "reverses": None,
        "reversed_by": None,
        "reversed_amount": 0,
        "reason_code": None,
        "reason": None,
        "direction": "debit",
        "effect": -30.5,
        "entry_number": 1,
        "flags": [],
        "near_duplicate_of": None,
    }
    assert b'"metadata":{"b": 1.50, "a": 1e2}' in response.content
    row = Transaction.objects.get()
    assert (row.actor, row.wallet_id, str(row.id)) == (f"api_key:{key.key.id}", row.id, response.json()["id"])


def test_money_is_a_number_of_exact_digits(send):
    body = b'{"amount": 123456789012345678.123456789012345678, "type": "note", "reference_id": "1"}'
    response = send("POST", TRANSACTIONS, body)
    assert b'"amount":123456789012345678.123456789012345678,' in response.content
    assert b'"balance":123456789012345678.123456789012345678,' in response.content
    tiny = send("POST", TRANSACTIONS, b'{"amount": 1e-18, "type": "note", "reference_id": "2"}')
    assert b'"amount":0.000000000000000001,' in tiny.content
    assert b'"balance":123456789012345678.123456789012345679,' in tiny.content


@pytest.mark.parametrize(
    ("type", "amount", "effect"),
    [
        ("topup", 5, 5),
        ("refund", 5, 5),
        ("usage", 5, -5),
        ("payout", 5, -5),
        ("adjustment", -5, -5),
        ("adjustment", 5, 5),
        ("never seen", -5, -5),
    ],
)
def test_the_type_gives_the_direction(record, type, amount, effect):
    reply = record(type=type, amount=amount)
    assert (reply["amount"], reply["effect"], reply["balance"]) == (amount, effect, effect)


def test_a_type_nobody_catalogued_is_accepted_and_shows_as_such(record, tenant):
    record(type="Über-Gebühr 2", amount=-1)
    kind = TransactionType.objects.get(tenant=tenant)
    assert (kind.code, kind.direction, kind.is_catalogued) == ("Über-Gebühr 2", "signed", False)


def test_a_negative_magnitude_is_refused_where_the_type_has_a_direction(send):
    response = send("POST", TRANSACTIONS, {"amount": -5, "type": "topup", "reference_id": "1"})
    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "type": "greater_than_equal",
                "loc": ["body", "amount"],
                "msg": "Input should be greater than or equal to 0",
                "input": -5,
                "ctx": {"ge": 0},
            }
        ]
    }
    assert not Transaction.objects.exists()
    assert not Wallet.objects.exists()
    assert not TransactionType.objects.exists()


def test_the_same_request_again_gives_the_first_reply_and_says_so(send):
    first = send("POST", TRANSACTIONS, USAGE)
    again = send("POST", TRANSACTIONS, b'{"reference_id": "order-1", "type": "usage", "amount": "30.50", "agent_id": null, "other": 1}')
    assert again.status_code == 200
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert Transaction.objects.count() == 1


def test_the_same_key_with_other_facts_is_a_conflict_that_names_them(send):
    first = send("POST", TRANSACTIONS, USAGE).json()
    response = send("POST", TRANSACTIONS, USAGE | {"amount": 31, "agent_id": "agent-1"})
    assert response.status_code == 409
    assert response.json() == {
        "detail": f"This type and reference_id were recorded before with other values of amount, agent_id, as transaction {first['id']}",
        "first_id": first["id"],
        "fields": ["amount", "agent_id"],
    }
    assert Transaction.objects.count() == 1


def test_another_type_may_cite_the_same_reference(record):
    record(type="purchase", reference_id="order-1", amount=10)
    assert record(type="refund", reference_id="order-1", amount=10)["balance"] == 0


def test_a_refused_transaction_does_not_burn_its_key(send, context):
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    assert send("POST", TRANSACTIONS, USAGE).status_code == 402
    send("POST", TRANSACTIONS, {"amount": 100, "type": "topup", "reference_id": "1"})
    response = send("POST", TRANSACTIONS, USAGE)
    assert (response.status_code, response.json()["balance"]) == (200, 69.5)


def test_a_floor_refuses_the_debit_that_would_cross_it(send, context, record):
    record(type="topup", amount=10)
    services.set_floor(**context, currency="USD", floor=Decimal(-5))
    record(type="usage", amount=15, reference_id="down to the floor")
    response = send("POST", TRANSACTIONS, {"amount": "0.000000000000000001", "type": "usage", "reference_id": "below"})
    assert response.status_code == 402
    facts = {"balance": -5, "held": 0, "available": -5, "requested": 1e-18, "floor": -5, "currency": "USD"}
    assert response.json() == {"detail": "Insufficient balance"} | facts
    assert Wallet.objects.get().balance == -5


def test_each_currency_has_a_wallet_of_its_own(record):
    record(type="topup", amount=10)
    assert record(type="topup", amount=7, currency="EUR", reference_id="2")["balance"] == 7
    assert record(type="topup", amount=1, currency="USD", reference_id="3")["balance"] == 11


def test_zero_is_a_record_too(record):
    assert record(type="subscription", amount=0)["balance"] == 0


def test_the_daily_totals_follow(record):
    record(type="topup", amount=10, occurred_at="2026-01-31T23:59:59.999999Z")
    record(type="usage", amount=3, occurred_at="2026-01-31T00:00:00Z")
    record(type="usage", amount=4, occurred_at="2026-02-01T00:30:00+01:00", reference_id="2")
    rows = DailyTotal.objects.order_by("type").values_list("day", "type", "entries", "credits", "debits")
    assert [(str(day), *rest) for day, *rest in rows] == [("2026-01-31", "topup", 1, 10, 0), ("2026-01-31", "usage", 2, 0, 7)]


def test_every_form_of_a_key_opens(send, key):
    for headers in (
        {"Authorization": None, "x-api-key": key.token},
        {"Authorization": basic(key.basic)},
        {"Authorization": f"bearer {key.token}"},
        {"On-Behalf-Of": str(key.key.tenant_id)},
    ):
        assert send("POST", TRANSACTIONS, USAGE, headers=headers).status_code == 200
    assert Transaction.objects.count() == 1


def test_a_missing_or_revoked_key_is_refused(send, key):
    tenants.revoke_api_key(prefix=key.key.prefix, actor="command:test")
    for headers in ({"Authorization": None}, {}, {"Authorization": "Bearer nonsense"}):
        response = send("POST", TRANSACTIONS, USAGE, headers=headers)
        assert (response.status_code, response.json()) == (401, {"detail": "Not authenticated"})
        assert response["WWW-Authenticate"] == "Bearer"
    assert not Transaction.objects.exists()


def test_a_key_that_may_only_read_writes_nothing(send, tenant):
    from tests.factories import IssuedKeyFactory

    reader = IssuedKeyFactory(tenant=tenant, scopes=["billing:read"])
    assert send("POST", TRANSACTIONS, USAGE, key=reader).json() == {"detail": "This key lacks the scope billing:write"}
    assert send("GET", TRANSACTIONS, key=reader).status_code == 200


def test_two_tenants_use_the_same_references_without_meeting(send, outsider):
    first = send("POST", TRANSACTIONS, USAGE).json()
    second = send("POST", TRANSACTIONS, USAGE | {"amount": 1}, key=outsider).json()
    assert (first["balance"], second["balance"]) == (-30.5, -1)


@pytest.mark.django_db(transaction=True)
def test_a_warm_post_is_one_statement(send, django_assert_num_queries):
    send("POST", TRANSACTIONS, USAGE)
    with django_assert_num_queries(1):
        assert send("POST", TRANSACTIONS, USAGE | {"reference_id": "order-2"}).status_code == 200


def test_the_balance_can_not_outgrow_the_book(send):
    most = "9" * 18
    lines = [json.dumps({"amount": most, "type": "topup", "reference_id": str(number)}).encode() for number in range(101)]
    replies = [send("POST", TRANSACTIONS, line) for line in lines]
    assert [reply.status_code for reply in replies] == [200] * 100 + [409]
    assert replies[-1].json()["detail"] == "The balance would have more digits than the ledger can hold"
    assert send("POST", TRANSACTIONS, {"amount": most, "type": "usage", "reference_id": "down"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/v1/billing/nowhere", 404, {"detail": "Not Found"}),
        ("POST", "/v1/billing/transactions/", 404, {"detail": "Not Found"}),
        ("DELETE", TRANSACTIONS, 405, {"detail": "Method Not Allowed"}),
        ("GET", f"{TRANSACTIONS}/0198c0de-0000-7000-8000-000000000000", 404, {"detail": "Not Found"}),
        ("GET", f"{TRANSACTIONS}/17", 404, {"detail": "Not Found"}),
    ],
)
def test_what_is_not_there_is_refused_in_the_same_form(send, method, path, status, body):
    response = send(method, path)
    assert (response.status_code, response.json()) == (status, body)
    if status == 405:
        assert {name.strip() for name in response["Allow"].split(",")} >= {"GET", "POST"}


def test_a_body_beyond_the_limit_is_413(send):
    response = send("POST", TRANSACTIONS, b'{"amount": 1, "type": "' + b"x" * 2_000_000 + b'"}')
    assert (response.status_code, response.json()) == (413, {"detail": "Request body is larger than 1048576 bytes"})


def test_two_tenants_may_hold_one_id_and_yet_keep_apart(context, outsider):
    """A ledger that was taken along into another tenant keeps its ids, the wallet's among them."""
    first = services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="1").row
    facts = {"id": first.id, "amount": Decimal(5), "type": "topup", "reference_id": "1"}
    copy = encode_import(facts, actor="command:test", request_id="")
    services.record_imported_many(tenant_id=outsider.key.tenant_id, lines=[copy])
    services.record_transaction(**context, amount=Decimal(2), type="usage", reference_id="2")
    balances = Wallet.objects.filter(id=first.wallet_id).order_by("balance").values_list("tenant_id", "balance", "last_entry_number")
    assert list(balances) == [(context["tenant_id"], 3, 2), (outsider.key.tenant_id, 5, 1)]
