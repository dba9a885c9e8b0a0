"""A wallet's first month, with its numbers: what was paid in, used, disputed and taken back, and a statement that adds up."""

import csv
import io
import json

import pytest

from billing.integrity.checks import find_violations
from tests.factories import IssuedKeyFactory

pytestmark = pytest.mark.django_db
# When it happened, what, how much, under which reference, and what the wallet must hold afterwards.
MONTH_OF_CALLS = [
    ("2026-01-02T09:00:00Z", "topup", "100.00", "payment-1", "100"),
    ("2026-01-03T10:00:00Z", "usage", "30.50", "run-1", "69.5"),
    ("2026-01-10T10:00:00Z", "subscription", "20", "january", "49.5"),
    ("2026-01-10T10:00:30Z", "subscription", "20", "january-again", "29.5"),
    ("2026-01-15T08:00:00Z", "bonus", "5.25", "welcome", "34.75"),
    ("2026-01-20T08:00:00Z", "adjustment", "-0.75", "rounding", "34"),
    ("2026-01-31T23:59:59Z", "usage", "0.000001", "run-2", "33.999999"),
    ("2026-02-01T00:00:00Z", "usage", "3.999999", "run-3", "30"),
]


@pytest.fixture
def call(client):
    token = IssuedKeyFactory().token

    def call(method, path, body=None):
        response = client.generic(
            method,
            f"/v1/billing/{path}",
            json.dumps(body or {}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert response.status_code == 200, response.content
        return response

    return call


@pytest.fixture
def entries(call):
    """The entries of the month by reference, each checked as it is recorded."""
    entries = {}
    for moment, kind, amount, reference, balance in MONTH_OF_CALLS:
        body = {"amount": amount, "type": kind, "reference_id": reference, "occurred_at": moment}
        entries[reference] = call("POST", "transactions", body).json()
        assert str(entries[reference]["balance"]) in {balance, f"{balance}.0"}
    return entries


def statement(call, query):
    return json.loads(b"".join(call("GET", f"wallet/statement?basis=world&{query}").streaming_content))


def test_the_month_adds_up_and_the_double_charge_is_found_and_taken_back(call, entries):
    doubtful = [reference for reference, entry in entries.items() if entry["flags"]]
    assert doubtful == ["january-again"]

    january = statement(call, "from=2026-01-01&to=2026-02-01")
    assert (january["opening_balance"], january["closing_balance"], january["entry_count"]) == (0, 33.999999, 7)
    assert {total["type"]: total["net"] for total in january["totals"]} == {
        "adjustment": -0.75,
        "bonus": 5.25,
        "subscription": -40,
        "topup": 100,
        "usage": -30.500001,
    }

    undo = {"reason_code": "duplicate", "reason": "Charged twice for January", "occurred_at": "2026-02-03T12:00:00Z"}
    reversal = call("POST", f"transactions/{entries['january-again']['id']}/reverse", undo).json()
    assert (reversal["effect"], reversal["balance"], reversal["entry_number"]) == (20, 50, 9)

    # January stays as it was; February shows the correction.
    assert statement(call, "from=2026-01-01&to=2026-02-01") == january
    february = statement(call, "from=2026-02-01&to=2026-03-01")
    assert (february["opening_balance"], february["closing_balance"]) == (33.999999, 50)
    assert [(line["type"], line["effect"], line["balance"]) for line in february["entries"]] == [
        ("usage", -3.999999, 30),
        ("subscription", 20, 50),
    ]
    assert list(find_violations()) == []


def test_the_same_lines_in_a_spreadsheet_add_up_too(call, entries):
    text = b"".join(call("GET", "wallet/statement?basis=world&from=2026-01-01&to=2026-02-01&format=csv").streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["effect"] for row in rows] == ["", "100", "-30.5", "-20", "-20", "5.25", "-0.75", "-0.000001", ""]
    assert (rows[0]["balance"], rows[-1]["balance"]) == ("0", "33.999999")


def test_repeating_every_call_of_a_month_changes_nothing(call, entries):
    for moment, kind, amount, reference, _ in MONTH_OF_CALLS:
        body = {"amount": amount, "type": kind, "reference_id": reference, "occurred_at": moment}
        again = call("POST", "transactions", body)
        assert again["Idempotent-Replayed"] == "true"
        assert again.json() == entries[reference]
    assert call("GET", "wallet").json()["balance"] == 30


def test_what_the_wallet_held_on_any_day(call, entries):
    for day, balance in {"2026-01-02": 0, "2026-01-03": 100, "2026-01-11": 29.5, "2026-01-31": 34, "2026-02-01": 30}.items():
        assert call("GET", f"wallet?as_of={day}&basis=world").json()["balance"] == balance
