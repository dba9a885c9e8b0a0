"""POST /credits/{customerId}/consume, its preview, and /reinstate."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine

from credits import services
from credits.models import Consumption, CreditTransaction
from tests.credits.test_create_transaction import refused

PATH = "/credits/acme/consume"


def taken(reply):
    return [(row["grantId"], row["amount"]) for row in reply.json()["transactions"]]


def test_an_amount_is_drawn_in_order_and_each_row_has_the_values_that_chose_it(api, book):
    never = book.grant(10)
    soon = book.grant(10, expiry_date=date(2099, 1, 1), cost_of_credit=Decimal(5))
    reply = api.post(PATH, {"amount": "12", "currency": "USD", "invoiceId": "i", "billingRunId": "r", "reason": "usage"})
    consumption = Consumption.objects.get()
    assert reply.status_code == 201
    assert taken(reply) == [(str(soon), "10"), (str(never), "2")]
    body = reply.json()
    assert {name: body[name] for name in ("id", "customerId", "amount", "taken", "missing")} == {
        "id": str(consumption.id),
        "customerId": "acme",
        "amount": "12",
        "taken": "12",
        "missing": "0",
    }
    first = body["transactions"][0]
    row = CreditTransaction.objects.get(id=first["id"])
    today = row.created_at.date().isoformat()
    why = first.pop("chosenBy")
    assert first == {
        "id": str(row.id),
        "grantId": str(soon),
        "reason": "usage",
        "invoiceId": "i",
        "billingRunId": "r",
        "type": "DEBIT",
        "amount": "10",
        "date": today,
        "createdAt": row.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "kind": "consumption",
        "entryNumber": 2,
        "balanceAfter": "0",
        "costBasis": "5",
        "consumptionId": str(consumption.id),
    }
    del why["createdAt"]
    assert why == {
        "rank": 1,
        "priority": 50,
        "creditUnitType": "CURRENCY",
        "expiryDate": "2099-01-01",
        "category": "paid",
        "effectiveDate": today,
        "available": "10",
    }
    assert api.get(f"/credit-transactions/{row.id}").json()["chosenBy"]["rank"] == 1
    book.check()


def test_the_burn_down_order_is_priority_metric_expiry_promotional_oldest(api, book):
    day = {"effective_date": date(2026, 1, 2)}
    grants = {
        "6 oldest": book.grant(1, effective_date=date(2026, 1, 1)),
        "7 older": book.grant(1, **day),
        "8 young": book.grant(1, **day),
        "5 promotional": book.grant(1, category="promotional", **day),
        "4 expires later": book.grant(1, expiry_date=date(2099, 2, 1), **day),
        "3 expires": book.grant(1, expiry_date=date(2099, 1, 1), **day),
        "2 metric": book.grant(1, unit_type="METRIC", metric_id="calls", **day),
        "1 urgent": book.grant(1, priority=0, **day),
        "9 last": book.grant(1, priority=100, expiry_date=date(2098, 1, 1), category="promotional", **day),
    }
    names = {str(grant_id): name for name, grant_id in grants.items()}
    plan = api.get(f"{PATH}/preview", amount="9", currency="USD", metricId="calls").json()
    reply = api.post(PATH, {"amount": "9", "currency": "USD", "metricId": "calls"})
    assert [names[grant_id] for grant_id, _ in taken(reply)] == sorted(grants)
    assert [(line["grantId"], line["taken"]) for line in plan["lines"]] == taken(reply)
    assert [line["chosenBy"] for line in plan["lines"]] == [row["chosenBy"] for row in reply.json()["transactions"]]


def test_a_draw_takes_all_or_nothing_by_default(api, book):
    book.grant(10), book.grant(5)
    [detail] = refused(api.post(PATH, {"amount": "15.01", "currency": "USD"}), 400, "InsufficientCredit")
    assert detail == {
        "field": "amount",
        "reason": "insufficient_credit",
        "customerId": "acme",
        "balance": "15",
        "held": "0",
        "available": "15",
        "requested": "15.01",
    }
    assert (CreditTransaction.objects.count(), Consumption.objects.count()) == (2, 0)


@pytest.mark.parametrize("path", [PATH, f"{PATH}?partial=true"])
def test_a_partial_draw_takes_what_is_available_and_returns_what_is_missing(api, book, path):
    book.grant(10), book.grant(5)
    flag = {} if "?" in path else {"partial": True}
    body = api.post(path, {"amount": "20", "currency": "USD"} | flag).json()
    assert (body["taken"], body["missing"], len(body["transactions"])) == ("15", "5", 2)
    body = api.post(path, {"amount": "1", "currency": "USD"} | flag).json()
    assert (body["taken"], body["missing"], body["transactions"]) == ("0", "1", [])
    book.check()


def test_only_grants_in_force_of_this_customer_and_unit_are_drawn_on(api, book, outsider):
    book.grant(1, customer_id="other")
    book.grant(1, currency="EUR")
    book.grant(1, unit_type="METRIC", metric_id="calls")
    book.grant(1, effective_date=date(2099, 1, 1))
    book.grant(1, effective_date=date(2020, 1, 1), expiry_date=date(2020, 1, 2))
    type(book)(outsider.tenant.id).grant(1)
    services.void_grant(**book.context, grant_id=book.grant(1), reason="r")
    refused(api.post(PATH, {"amount": "1", "currency": "USD"}), 400, "InsufficientCredit")
    assert api.get(f"{PATH}/preview", amount="1", currency="USD").json() == {"amount": "1", "taken": "0", "missing": "1", "lines": []}


def test_the_same_key_draws_once(api, book):
    book.grant(100)
    body = {"amount": "10", "currency": "USD"}
    first = api.post(PATH, body, key="k")
    again = api.post(PATH, body, key="k")
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    [detail] = refused(api.post(PATH, body | {"amount": "11"}, key="k"), 409, "IdempotencyConflict")
    assert (detail["firstId"], detail["fields"]) == (first.json()["id"], ["amount"])


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"amount": "0"}, "amount", "not_positive"),
        ({"amount": 1}, "amount", "number_as_money"),
        ({"currency": "usd"}, "currency", "unknown_currency"),
        ({"metricId": ""}, "metricId", "too_short"),
        ({"partial": "yes"}, "partial", "not_boolean"),
        ({"invoiceId": ""}, "invoiceId", "too_short"),
    ],
)
def test_a_bad_value_is_refused_by_name(api, change, field, reason):
    [detail] = refused(api.post(PATH, {"amount": "1", "currency": "USD"} | change), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == (field, reason)


def test_a_draw_without_a_unit_is_refused(api):
    for reply in (api.post(PATH, {"amount": "1"}), api.get(f"{PATH}/preview", amount="1")):
        [detail] = refused(reply, 400, "InvalidRequest")
        assert (detail["field"], detail["reason"]) == ("currency", "unit_missing")


@pytest.mark.django_db(transaction=True)
def test_a_thousand_grants_are_burned_down_in_one_call(api, book, django_assert_num_queries):
    for _ in range(1000):
        book.grant(1)
    body = {"amount": "999.5", "currency": "USD"}
    api.get(f"{PATH}/preview", amount="1", currency="USD")
    with django_assert_num_queries(1):
        reply = api.post(PATH, body)
    assert len(reply.json()["transactions"]) == 1000
    assert reply.json()["transactions"][-1]["amount"] == "0.5"


def test_voiding_an_invoice_gives_back_exactly_what_it_took_once(api, book):
    small, large = book.grant(10, cost_of_credit=Decimal(3)), book.grant(100)
    api.post(PATH, {"amount": "30", "currency": "USD", "invoiceId": "i"})
    book.debit(large, 5, invoice_id="another")
    book.credit(large, 3, invoice_id="i")
    reply = api.post("/credits/acme/reinstate", {"invoiceId": "i", "reason": "invoice voided"})
    assert reply.status_code == 201
    rows = reply.json()["transactions"]
    assert sorted((row["grantId"], row["amount"], row["type"], row["kind"], row["reason"]) for row in rows) == sorted(
        [(str(small), "10", "CREDIT", "reinstatement", "invoice voided"), (str(large), "17", "CREDIT", "reinstatement", "invoice voided")]
    )
    assert (reply.json()["amount"], reply.json()["invoiceId"]) == ("27", "i")
    again = api.post("/credits/acme/reinstate", {"invoiceId": "i"})
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (reply.json(), "true")
    assert (book.balance(small), book.balance(large)) == (10, 95)
    book.check()


def test_an_invoice_that_took_nothing_or_from_others_cannot_be_reinstated(api, book, outsider):
    other = book.grant(10, customer_id="other")
    book.debit(other, 5, invoice_id="i")
    for caller, invoice in ((api, "i"), (api, "unknown"), (outsider, "i")):
        refused(caller.post("/credits/acme/reinstate", {"invoiceId": invoice}), 400, "NothingToReinstate")
    refused(api.post("/credits/acme/reinstate", {}), 400, "InvalidRequest")
    assert book.balance(other) == 5


def test_what_is_given_back_to_an_expired_or_voided_grant_is_debited_again_at_once(api, book):
    with time_machine.travel(datetime(2026, 1, 10, tzinfo=UTC), tick=False):
        expired = book.grant(10, expiry_date=date(2026, 1, 31))
        voided = book.grant(10, expiry_date=date(2099, 1, 1))
        api.post(PATH, {"amount": "16", "currency": "USD", "invoiceId": "i"})
        services.void_grant(**book.context, grant_id=voided, reason="r")
    with time_machine.travel(datetime(2026, 2, 10, tzinfo=UTC), tick=False):
        assert api.post("/credits/acme/reinstate", {"invoiceId": "i"}).json()["amount"] == "16"
    assert book.entries(expired)[2:] == [("reinstatement", "CREDIT", 10), ("expiry", "DEBIT", 10)]
    assert book.entries(voided)[2:] == [("void", "DEBIT", 4), ("reinstatement", "CREDIT", 6), ("void", "DEBIT", 6)]
    for row in CreditTransaction.objects.filter(entry_number=4) | CreditTransaction.objects.filter(grant_id=voided, entry_number=5):
        assert row.occurred_at.date() == date(2026, 2, 10)
    book.check()
