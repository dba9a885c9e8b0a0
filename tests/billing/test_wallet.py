"""GET /v1/billing/wallet: what there is, and what there was at any moment by either clock."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import ANY

import pytest

from billing import services
from billing.models import Transaction, Wallet
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
WALLET = "/v1/billing/wallet"


def test_an_account_without_transactions_has_nothing(send):
    assert send("GET", WALLET).json() == {"currency": "USD", "balance": 0, "as_of": None, "wallets": []}


def test_an_alert_is_set_changed_and_taken_away(send, record, context, outsider):
    record(type="topup", amount=10)
    answer = send("PUT", f"{WALLET}/alert", {"alert_below": 4.5})
    expected = {"currency": "USD", "balance": 10, "held": 0, "available": 10, "floor": None, "alert_below": 4.5}
    expected |= {"entry_number": 1, "updated_at": ANY}
    assert (answer.status_code, answer.json()) == (200, expected)
    opened = send("PUT", f"{WALLET}/alert", {"alert_below": -5, "currency": "EUR"}).json()
    assert (opened["currency"], opened["balance"], opened["alert_below"], opened["entry_number"]) == ("EUR", 0, -5, 0)
    assert send("PUT", f"{WALLET}/alert", {"alert_below": None}).json()["alert_below"] is None
    for wrong in (
        {},
        {"alert_below": "x"},
        {"alert_below": 1, "currency": "XXXX"},
        {"alert_below": "1e30"},
        {"alert_below": 1, "floor": 2},
    ):
        assert send("PUT", f"{WALLET}/alert", wrong).status_code == 422, wrong
    assert send("GET", WALLET, key=outsider).json()["wallets"] == []


def test_every_currency_is_shown_and_one_stands_at_the_top(send, record, context, outsider):
    record(type="topup", amount=10)
    record(type="topup", amount="7.25", currency="EUR", reference_id="euros")
    record(type="usage", amount=3)
    services.set_floor(**context, currency="USD", floor=Decimal("-5"))
    services.set_alert(**context, currency="USD", alert_below=Decimal(20))
    dollars = {
        "currency": "USD",
        "balance": 7,
        "held": 0,
        "available": 7,
        "floor": -5,
        "alert_below": 20,
        "entry_number": 2,
        "updated_at": ANY,
    }
    euros = {
        "currency": "EUR",
        "balance": 7.25,
        "held": 0,
        "available": 7.25,
        "floor": None,
        "alert_below": None,
        "entry_number": 1,
        "updated_at": ANY,
    }
    assert send("GET", WALLET).json() == {"currency": "USD", "balance": 7, "as_of": None, "wallets": [euros, dollars]}
    assert send("GET", f"{WALLET}?currency=EUR").json()["balance"] == 7.25
    assert send("GET", f"{WALLET}?currency=GBP").json()["balance"] == 0
    assert send("GET", WALLET, key=outsider).json()["wallets"] == []


def test_as_of_by_book_time_is_the_balance_after_the_last_entry_until_then(send, record):
    replies = [record(type="topup", amount=amount, reference_id=str(amount)) for amount in (1, 2, 4)]
    for reply, balance in zip(replies, (1, 3, 7), strict=True):
        answer = send("GET", f"{WALLET}?as_of={reply['created_at']}").json()
        assert (answer["balance"], answer["as_of"]) == (balance, reply["created_at"])
        [wallet] = answer["wallets"]
        assert (wallet["entry_number"], wallet["updated_at"]) == (reply["entry_number"], reply["created_at"])
    before = (datetime.fromisoformat(replies[0]["created_at"]) - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert send("GET", f"{WALLET}?as_of={before}").json()["balance"] == 0
    [wallet] = send("GET", f"{WALLET}?as_of={before}").json()["wallets"]
    assert (wallet["entry_number"], wallet["updated_at"]) == (0, None)


def test_as_of_by_world_time_counts_what_had_happened(send, record):
    """Back-dated entries count from when they happened, whenever the ledger took them."""
    record(type="topup", amount=1, occurred_at="2026-01-10T12:00:00Z", reference_id="1")
    record(type="topup", amount=2, occurred_at="2026-01-09T23:59:59.999999Z", reference_id="2")
    record(type="topup", amount=4, occurred_at="2026-01-10T00:00:00Z", reference_id="3")
    record(type="usage", amount=8, occurred_at="2026-01-10T13:00:00+01:00", reference_id="4")
    record(type="topup", amount=16, occurred_at="2026-01-11T00:00:00Z", reference_id="5")
    for moment, balance in {
        "2026-01-09": 0,
        "2026-01-09T23:59:59.999999Z": 2,
        "2026-01-10": 6,
        "2026-01-10T11:59:59.999999Z": 6,
        "2026-01-10T12:00:00Z": -1,
        "2026-01-10T23:59:59Z": -1,
        "2026-01-11": 15,
        "2030-01-01": 15,
    }.items():
        assert send("GET", f"{WALLET}?as_of={moment}&basis=world").json()["balance"] == balance, moment
        # Entries are numbered as they were booked: no number and no time of booking belongs to a moment of world time.
        then = {
            "currency": "USD",
            "balance": balance,
            "held": 0,
            "available": balance,
            "floor": None,
            "alert_below": None,
            "entry_number": None,
            "updated_at": None,
        }
        assert send("GET", f"{WALLET}?as_of={moment}&basis=world").json()["wallets"] == [then]
    assert send("GET", f"{WALLET}?as_of=2026-01-11&basis=book").json()["balance"] == 0


@pytest.mark.parametrize("query", ["as_of=yesterday", "currency=usd", "basis=moon", "as_of="])
def test_a_wrong_parameter_is_a_422_of_the_query(send, query):
    response = send("GET", f"{WALLET}?{query}")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize(("query", "count"), [("", 1), ("?as_of=2026-01-11", 4), ("?as_of=2026-01-11&basis=world", 4)])
def test_the_number_of_queries_does_not_grow(send, record, django_assert_num_queries, query, count):
    """Of a past moment: two look for postings in flight (one outside a transaction), one reads the wallets, one their balances then."""
    for currency in ("USD", "EUR", "GBP"):
        record(type="topup", amount=1, currency=currency, reference_id=currency)
    with django_assert_num_queries(count):
        assert len(send("GET", WALLET + query).json()["wallets"]) == 3


def test_the_entries_of_a_wallet_form_a_chain(record, tenant):
    for number in range(5):
        record(type="adjustment", amount=number - 2, reference_id=str(number))
    chain = Transaction.objects.filter(tenant=tenant).order_by("entry_number").values_list("entry_number", "effect", "balance_after")
    assert [(number, int(effect), int(balance)) for number, effect, balance in chain] == [
        (1, -2, -2),
        (2, -1, -3),
        (3, 0, -3),
        (4, 1, -2),
        (5, 2, 0),
    ]


def test_a_floor_may_not_begin_above_the_balance(context, record):
    from billing.errors import FloorAboveBalance

    record(type="topup", amount=5)
    with pytest.raises(FloorAboveBalance):
        services.set_floor(**context, currency="USD", floor=Decimal(6))
    assert services.set_floor(**context, currency="USD", floor=Decimal(5)).floor == 5


def test_an_alert_opens_a_wallet_with_the_policys_floor(context, send):
    services.set_policy(**context, default_floor=Decimal(-10))
    wallet = services.set_alert(**context, currency="USD", alert_below=Decimal(20))
    assert (wallet.floor, wallet.alert_below) == (-10, 20)
    assert send("POST", "/v1/billing/transactions", {"amount": 11, "type": "usage", "reference_id": "1"}).status_code == 402
    assert services.set_floor(**context, currency="EUR", floor=None).floor is None


def test_a_new_wallet_begins_with_the_policys_floor(context, send):
    services.set_policy(**context, default_floor=Decimal(-10))
    body = {"amount": 11, "type": "usage", "reference_id": "1"}
    assert send("POST", "/v1/billing/transactions", body).status_code == 402
    assert send("POST", "/v1/billing/transactions", body | {"amount": 10}).json()["balance"] == -10
    assert datetime.now(UTC).isoformat() > send("GET", WALLET).json()["wallets"][0]["updated_at"][:10]


def test_a_caller_who_prefers_strings_gets_every_amount_as_one(send):
    """In entries, wallets, statements, batches and errors."""
    strings = {"Prefer": "money=string"}
    entry = send("POST", TRANSACTIONS, {"amount": "0.000000000000000001", "type": "topup", "reference_id": "1"}, headers=strings).json()
    assert (entry["amount"], entry["balance"], entry["effect"]) == ("0.000000000000000001",) * 3
    wallet = send("GET", "/v1/billing/wallet", headers=strings).json()
    assert (wallet["balance"], wallet["wallets"][0]["balance"]) == ("0.000000000000000001",) * 2
    statement = send("GET", "/v1/billing/wallet/statement", headers=strings)
    read = json.loads(b"".join(statement.streaming_content))
    assert (read["closing_balance"], read["entries"][0]["amount"]) == ("0.000000000000000001",) * 2
    batch = {"transactions": [{"amount": 1, "type": "topup", "reference_id": "2"}]}
    assert send("POST", f"{TRANSACTIONS}/batch", batch, headers=strings).json()["results"][0]["transaction"]["amount"] == "1"


@pytest.mark.parametrize(("balance", "type_code"), [("99999999999999999999", "topup"), ("-99999999999999999999", "usage")])
@pytest.mark.parametrize("count", [1, 2])
def test_a_balance_of_twenty_one_digits_is_refused_alone_and_in_an_array(key, balance, type_code, count):
    """A balance may have 20 digits before the point: one more unit, up or down, is refused, not an error of the database."""
    tenant = key.key.tenant_id

    def line(number, amount):
        return {"amount": Decimal(amount), "type": type_code, "reference_id": f"{number}-{amount}"}

    services.record_transaction(tenant_id=tenant, actor="test", request_id="", **line(0, 1))
    Wallet.objects.filter(tenant_id=tenant).update(balance=Decimal(balance))
    refused = services.record_transactions(
        tenant_id=tenant, actor="test", request_id="", transactions=[line(number, 1) for number in range(1, count + 1)], atomic=False
    )
    assert [outcome.code for outcome in refused] == ["out_of_range"] * count
