"""POST, GET and DELETE /credits, /credits/{id}, /credits/{id}/void, and what a customer has."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine

from credits.models import Grant
from tests.credits.test_create_transaction import refused

PATH = "/credits"


@pytest.fixture
def body(company):
    return {
        "sequenceAccountId": str(company.id),
        "customerId": "acme",
        "name": "Onboarding",
        "creditUnitType": "CURRENCY",
        "currency": "GBP",
        "metricId": "ignored",
        "amount": 10.5,
        "costOfCredit": 8,
        "effectiveDate": "2026-01-01",
        "expiryDate": "2099-01-31",
    }


def test_a_grant_is_made_with_its_opening_transaction(api, book, body):
    reply = api.post(PATH, body)
    grant = Grant.objects.get()
    expected = {
        "id": str(grant.id),
        "sequenceAccountId": str(api.tenant.id),
        "customerId": "acme",
        "name": "Onboarding",
        "creditUnitType": "CURRENCY",
        "currency": "GBP",
        "amount": 10.5,
        "costOfCredit": 8,
        "effectiveDate": "2026-01-01",
        "expiryDate": "2099-01-31",
        "createdAt": grant.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "integrationIds": [],
        "category": "paid",
        "priority": 50,
        "type": "CASH",
        "originalAmount": "10.5",
        "currentBalance": "10.5",
        "held": "0",
        "status": "open",
    }
    assert (reply.status_code, reply.json()) == (201, expected)
    assert api.get(f"{PATH}/{grant.id}").json() == expected
    assert book.entries(grant.id) == [("opening", "CREDIT", Decimal("10.5"))]
    book.check()


def test_numbers_keep_their_digits(api, body):
    raw = b'{"sequenceAccountId": "%s", "customerId": "c", "name": "n", "creditUnitType": "CURRENCY", "currency": "USD", "amount": %s}'
    amount = b"123456789012345678.123456789012345678"
    reply = api.post(PATH, raw % (str(api.tenant.id).encode(), amount))
    assert b'"amount":' + amount in reply.content
    assert reply.json()["currentBalance"] == amount.decode()


def test_a_metric_grant_names_its_metric(api, body):
    reply = api.post(PATH, body | {"creditUnitType": "METRIC", "metricId": "api_calls"}).json()
    assert (reply["type"], reply["metricId"]) == ("USAGE", "api_calls")
    del body["metricId"]
    [detail] = refused(api.post(PATH, body | {"creditUnitType": "METRIC"}), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == ("metricId", "missing")


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"expiryDate": "2025-12-31"}, "expiryDate", "before_effective_date"),
        ({"effectiveDate": "2026-02-30"}, "effectiveDate", "bad_day"),
        ({"amount": 0}, "amount", "not_positive"),
        ({"amount": -1}, "amount", "not_positive"),
        ({"amount": "10"}, "amount", "not_a_number"),
        ({"amount": 1e300}, "amount", "too_many_digits"),
        ({"currency": "XXQ"}, "currency", "unknown_currency"),
        ({"currency": "gbp"}, "currency", "unknown_currency"),
        ({"creditUnitType": "CASH"}, "creditUnitType", "unknown_choice"),
        ({"costOfCredit": -1}, "costOfCredit", "negative"),
        ({"priority": 101}, "priority", "too_large"),
        ({"priority": 1.5}, "priority", "not_whole"),
        ({"category": "free"}, "category", "unknown_choice"),
        ({"customerId": ""}, "customerId", "too_short"),
        ({"name": None}, "name", "null"),
    ],
)
def test_a_bad_value_is_refused_by_name(api, body, change, field, reason):
    [detail] = refused(api.post(PATH, body | change), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == (field, reason)
    assert not Grant.objects.exists()


def test_an_expiry_before_todays_default_is_refused(api, body):
    del body["effectiveDate"]
    [detail] = refused(api.post(PATH, body | {"expiryDate": "2020-01-01"}), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == ("expiryDate", "before_effective_date")


def test_the_account_in_the_body_is_the_one_acted_for(api, body, outsider):
    refused(api.post(PATH, body | {"sequenceAccountId": str(outsider.tenant.id)}), 400, "InvalidRequest")
    headers = {"Authorization": api.headers["Authorization"]}
    reply = api.client.post(PATH, body | {"sequenceAccountId": str(outsider.tenant.id)}, content_type="application/json", headers=headers)
    refused(reply, 401, "Unauthorized")
    assert api.client.post(PATH, body, content_type="application/json", headers=headers).status_code == 201


def test_the_same_key_makes_one_grant(api, body):
    first = api.post(PATH, body, key="k")
    again = api.post(PATH, body, key="k")
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    [detail] = refused(api.post(PATH, body | {"amount": 11}, key="k"), 409, "IdempotencyConflict")
    assert (detail["firstId"], detail["fields"]) == (first.json()["id"], ["amount"])
    assert Grant.objects.count() == 1


def test_a_grant_repeated_after_its_last_day_is_still_the_first_one(api, body):
    del body["effectiveDate"]
    with time_machine.travel(datetime(2026, 1, 10, tzinfo=UTC), tick=False):
        first = api.post(PATH, body | {"expiryDate": "2026-01-31"}, key="k")
    with time_machine.travel(datetime(2026, 3, 10, tzinfo=UTC), tick=False):
        assert api.post(PATH, body | {"expiryDate": "2026-01-31"}, key="k").json() == first.json()


def test_another_accounts_grant_is_not_found(api, outsider, book):
    grant_id = book.grant()
    for reply in (
        outsider.get(f"{PATH}/{grant_id}"),
        outsider.delete(f"{PATH}/{grant_id}"),
        outsider.post(f"{PATH}/{grant_id}/void", {"reason": "r"}),
    ):
        refused(reply, 404, "NotFound")
    assert outsider.get(PATH).json()["items"] == []
    assert outsider.get(f"{PATH}/acme/grants").json() == {"items": []}
    assert outsider.get(f"{PATH}/acme/balances").json() == {"items": []}


def test_an_unused_grant_can_be_deleted_and_is_not_listed_any_more(api, book):
    grant_id = book.grant(cost_of_credit=Decimal(7))
    first = api.delete(f"{PATH}/{grant_id}")
    assert (first.status_code, first.json()["status"], first.json()["currentBalance"]) == (200, "deleted", "0")
    assert api.delete(f"{PATH}/{grant_id}").json() == first.json()
    refused(api.get(f"{PATH}/{grant_id}"), 404, "NotFound")
    assert api.get(PATH).json()["items"] == []
    reply = api.post("/credit-transactions", {"grantId": str(grant_id), "type": "CREDIT", "amount": "1"})
    refused(reply, 400, "CreditGrantNotFound")
    assert book.entries(grant_id) == [("opening", "CREDIT", 100), ("deletion", "DEBIT", 100)]
    book.check()


def test_a_grant_that_was_drawn_on_can_be_voided_but_not_deleted(api, book):
    grant_id = book.grant()
    book.debit(grant_id, 30)
    [detail] = refused(api.delete(f"{PATH}/{grant_id}"), 400, "CreditGrantDrawnOn")
    assert (detail["balance"], detail["held"]) == ("70", "0")
    refused(api.post(f"{PATH}/{grant_id}/void", {}), 400, "InvalidRequest")
    first = api.post(f"{PATH}/{grant_id}/void", {"reason": "fraud"})
    assert (first.json()["status"], first.json()["currentBalance"]) == ("voided", "0")
    assert api.post(f"{PATH}/{grant_id}/void", {"reason": "fraud"}).json() == first.json()
    assert book.entries(grant_id)[-1] == ("void", "DEBIT", 70)
    for kind in ("DEBIT", "CREDIT"):
        refused(api.post("/credit-transactions", {"grantId": str(grant_id), "type": kind, "amount": "1"}), 400, "CreditGrantVoided")
    book.check()


def test_pages_go_back_and_forth_without_gaps(api, book):
    made = [str(book.grant(name=f"n{number}")) for number in range(5)]
    seen, after = [], None
    while True:
        page = api.get(PATH, limit=2, **({"after": after} if after else {})).json()
        seen += [item["id"] for item in page["items"]]
        after = page["pagination"].get("after")
        if not after:
            break
    assert seen == made[::-1]
    back = api.get(PATH, limit=2, before=page["pagination"]["before"]).json()
    assert [item["id"] for item in back["items"]] == made[::-1][2:4]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "x"), ("after", "forged"), ("before", "x")])
def test_bad_parameters_are_refused(api, name, value):
    [detail] = refused(api.get(PATH, **{name: value}), 400, "InvalidRequest")
    assert detail["field"] == name


def test_a_list_needs_as_many_queries_with_one_row_as_with_many(api, book, django_assert_num_queries):
    api.get(PATH)
    for count in (1, 20):
        for _ in range(count):
            book.debit(book.grant(), 1)
        for path in (PATH, "/credit-transactions"):
            with django_assert_num_queries(1):
                api.get(path)
        with django_assert_num_queries(2):
            api.get(f"{PATH}/acme/balances")


def test_usable_grants_are_those_in_force_with_a_balance_in_burn_down_order(api, book):
    with time_machine.travel(datetime(2026, 5, 31, 23, 59, tzinfo=UTC), tick=False):
        days = {"effective_date": date(2026, 5, 1)}
        last = book.grant(1, name="never expires", **days)
        third = book.grant(1, name="paid", expiry_date=date(2026, 6, 30), **days)
        second = book.grant("1.5", name="given", expiry_date=date(2026, 6, 30), category="promotional", **days)
        first = book.grant(1, name="last day", expiry_date=date(2026, 5, 31), **days)
        book.grant(1, name="gone", effective_date=date(2026, 4, 1), expiry_date=date(2026, 5, 30))
        book.grant(1, name="to come", effective_date=date(2026, 6, 1))
        book.debit(book.grant(1, name="empty", **days), 1)
        zeroth = book.grant(1, name="urgent", priority=1, **days)
        book.grant(1, name="of another", customer_id="other", **days)
        items = api.get(f"{PATH}/acme/grants").json()["items"]
    assert [item["id"] for item in items] == [str(grant_id) for grant_id in (zeroth, first, second, third, last)]
    assert items[2] == {
        "id": str(second),
        "name": "given",
        "grantAmount": 1.5,
        "balance": 1.5,
        "issueDate": "2026-05-01",
        "expiryDate": "2026-06-30",
    }


def test_there_is_a_balance_for_each_currency_and_metric(api, book):
    dollars = book.grant(50, cost_of_credit=Decimal(40))
    book.grant(25)
    calls = book.grant(1000, unit_type="METRIC", metric_id="api_calls")
    book.debit(dollars, 10, reason="used", invoice_id="i")
    items = api.get(f"{PATH}/acme/balances").json()["items"]
    assert [{name: item[name] for name in ("id", "type", "name", "balance", "held", "available")} for item in items] == [
        {"id": "USD", "type": "CASH", "name": "USD", "balance": "65", "held": "0", "available": "65"},
        {"id": "api_calls", "type": "USAGE", "name": "api_calls", "balance": "1000", "held": "0", "available": "1000"},
    ]
    [grant] = items[1]["grants"]
    created_at = grant.pop("createdAt")
    assert grant == {
        "id": str(calls),
        "sequenceAccountId": str(api.tenant.id),
        "customerId": "acme",
        "type": "USAGE",
        "currency": "USD",
        "metricId": "api_calls",
        "name": "api_calls",
        "originalAmount": "1000",
        "currentBalance": "1000",
        "costOfCredit": "0",
        "effectiveDate": created_at[:10],
    }
    assert [(row["type"], row["amount"]) for row in items[0]["transactions"]] == [("DEBIT", "10"), ("CREDIT", "25"), ("CREDIT", "50")]
    assert api.get("/credit-transactions", invoiceId="i").json()["items"] == [items[0]["transactions"][0]]
