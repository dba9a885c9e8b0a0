"""GET .../explain, and balances at past instants by two clocks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import time_machine
from django.core.management import call_command

from credits import selectors, services
from credits.models import CreditTransaction
from tests.credits.test_create_transaction import refused


def moments(grant_id):
    return [row.created_at for row in CreditTransaction.objects.filter(grant_id=grant_id).order_by("entry_number")]


def test_a_grant_is_explained_by_its_entries_and_sums_computed_from_them(api, book):
    grant_id = book.grant(100, cost_of_credit=Decimal(50), name="Prepaid")
    api.post("/credit-transactions", {"grantId": str(grant_id), "type": "DEBIT", "amount": "10", "reason": "why"}, key="k")
    api.post("/credits/acme/consume", {"amount": "20", "currency": "USD", "invoiceId": "i"})
    api.post("/credits/acme/holds", {"amount": "5", "currency": "USD", "expiresAt": "2099-01-01T00:00:00Z"})
    body = api.get(f"/credits/{grant_id}/explain").json()
    entries = body["entries"]
    assert [(entry["entryNumber"], entry["kind"], entry["amount"], entry["balanceAfter"]) for entry in entries] == [
        (1, "opening", "100", "100"),
        (2, "debit", "10", "90"),
        (3, "consumption", "20", "70"),
    ]
    assert entries[0]["actor"] == "command:test"
    assert (entries[1]["actor"], entries[1]["reason"]) == (f"api_key:{api.key.key.id}", "why")
    assert entries[1]["requestId"]
    assert (entries[2]["chosenBy"]["rank"], entries[2]["chosenBy"]["available"]) == (1, "90")
    assert body["sums"] == [
        {
            "grantId": str(grant_id),
            "customerId": "acme",
            "name": "Prepaid",
            "type": "CASH",
            "unit": "USD",
            "entries": 3,
            "lastEntryNumber": 3,
            "credits": "100",
            "debits": "30",
            "balance": "70",
            "held": "5",
            "costOfCredit": "50",
            "costConsumed": "15",
            "byKind": [
                {"kind": "consumption", "amount": "20"},
                {"kind": "debit", "amount": "10"},
                {"kind": "opening", "amount": "100"},
            ],
        }
    ]


def test_an_explanation_ends_at_the_moment_asked_for(api, book):
    grant_id = book.grant(100)
    book.debit(grant_id, 10)
    book.debit(grant_id, 20)
    second = moments(grant_id)[1]
    body = api.get(f"/credits/{grant_id}/explain", at=second.isoformat()).json()
    assert [entry["amount"] for entry in body["entries"]] == ["100", "10"]
    assert (body["sums"][0]["balance"], body["at"]) == ("90", second.isoformat(timespec="microseconds").replace("+00:00", "Z"))
    early = api.get(f"/credits/{grant_id}/explain", at="2020-01-01").json()
    assert (early["entries"], early["sums"]) == ([], [])


def test_a_customer_is_explained_over_all_grants_in_order_and_in_pages(api, book):
    first, second = book.grant(10), book.grant(20)
    book.debit(second, 1)
    book.debit(first, 2)
    book.grant(5, customer_id="other")
    body = api.get("/credits/acme/explain", limit=3).json()
    assert [(entry["grantId"], entry["amount"]) for entry in body["entries"]] == [
        (str(first), "10"),
        (str(second), "20"),
        (str(second), "1"),
    ]
    rest = api.get("/credits/acme/explain", limit=3, after=body["pagination"]["after"]).json()
    assert [entry["amount"] for entry in rest["entries"]] == ["2"]
    assert [row["balance"] for row in rest["sums"]] == ["8", "19"]


def test_grants_and_customers_of_another_account_are_not_explained(api, book, outsider):
    grant_id = book.grant()
    for owner in (grant_id, "acme"):
        refused(outsider.get(f"/credits/{owner}/explain"), 404, "NotFound")
    refused(api.get("/credits/nobody/explain"), 404, "NotFound")
    refused(api.get("/credits/acme/explain", at="x"), 400, "InvalidRequest")
    refused(api.get("/credits/acme/explain", after="x"), 400, "InvalidRequest")


def test_a_balance_at_a_past_instant_is_the_balance_that_was_booked_then(api, book):
    grant_id, other = book.grant(100), book.grant(7, customer_id="other")
    book.debit(grant_id, 10)
    book.debit(grant_id, 20)
    times = moments(grant_id)
    opened = moments(other)[0]
    for moment, balance in zip([times[0], times[1], times[2], times[2] + timedelta(days=1)], ["100", "90", "70", "70"], strict=True):
        at = moment.isoformat()
        assert api.get(f"/credits/{grant_id}", at=at).json()["currentBalance"] == balance
        items = api.get("/credits/acme/balances", at=at).json()["items"]
        assert [item["balance"] for item in items] == [balance]
    before = (times[0] - timedelta(microseconds=1)).isoformat()
    refused(api.get(f"/credits/{grant_id}", at=before), 404, "NotFound")
    assert api.get("/credits/acme/balances", at=before).json()["items"] == []
    reply = api.get("/credits/balances", at=opened.isoformat()).json()
    assert reply["items"] == [{"id": "USD", "type": "CASH", "grants": 2, "balance": "107", "held": "0", "usable": "107"}]
    assert api.get("/credits/balances").json()["items"][0]["balance"] == "77"


def test_held_at_a_past_instant_is_what_was_held_then(api, book):
    grant_id = book.grant(100)
    before = moments(grant_id)[0]
    hold_id = api.post("/credits/acme/holds", {"amount": "5", "currency": "USD", "expiresAt": "2099-01-01T00:00:00Z"}).json()["id"]
    during = datetime.now(UTC)
    api.post(f"/credits/acme/holds/{hold_id}/release", {})
    held = [api.get(f"/credits/{grant_id}", at=at.isoformat()).json()["held"] for at in (before, during, datetime.now(UTC))]
    assert held == ["0", "5", "0"]


def test_the_worlds_clock_counts_an_expiry_from_its_day_whenever_it_was_booked(api, book):
    with time_machine.travel(datetime(2026, 1, 10, 9, tzinfo=UTC), tick=False):
        grant_id = book.grant(100, effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))
        book.debit(grant_id, 30)
    call_command("expire_credits", verbosity=0)
    expiry = CreditTransaction.objects.get(grant_id=grant_id, kind="expiry")
    assert (expiry.amount, expiry.occurred_at) == (70, datetime(2026, 2, 1, tzinfo=UTC))

    def world(*when):
        row = selectors.grant_balance_at(tenant_id=book.tenant_id, grant_id=grant_id, at=datetime(*when, tzinfo=UTC), clock="world")
        return row["balance"], row["usable"]

    assert world(2025, 12, 31) == (0, 0)
    assert world(2026, 1, 5) == (100, 100)
    assert world(2026, 1, 10, 8, 59) == (100, 100)
    assert world(2026, 1, 10, 9, 0, 1) == (70, 70)
    assert world(2026, 1, 31, 23, 59) == (70, 70)
    assert world(2026, 2, 1) == (0, 0)
    refused(api.get(f"/credits/{grant_id}", at="2026-01-05"), 404, "NotFound")
    body = api.get(f"/credits/{grant_id}", at="2026-01-05", clock="world").json()
    assert (body["currentBalance"], body["status"]) == ("100", "open")


def test_a_past_balance_is_one_query_even_with_a_thousand_entries(book, django_assert_num_queries):
    grant_id = book.grant(10_000)
    services.record_transactions(**book.context, transactions=[{"grant_id": grant_id, "type": "DEBIT", "amount": Decimal(1)}] * 1000)
    at = moments(grant_id)[500]
    with django_assert_num_queries(1):
        assert selectors.grant_balance_at(tenant_id=book.tenant_id, grant_id=grant_id, at=at)["balance"] == 9500
