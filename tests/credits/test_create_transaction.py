"""POST /credit-transactions."""

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import time_machine
from django.test import Client

from credits.models import CreditTransaction
from tests.factories import IssuedKeyFactory, TenantFactory

PUBLISHED = Path(__file__).resolve().parents[2] / "config" / "local" / "demo" / "published" / "credits.json"
PUBLISHED_GRANT = UUID("746fc7f2-8098-4fe7-953c-7d51c580a126")
PATH = "/credit-transactions"


def refused(reply, status, kind):
    assert reply.status_code == status, reply.content
    body = reply.json()
    assert set(body) == {"error"}
    assert body["error"]["type"] == kind
    assert body["error"]["message"]
    return body["error"].get("details")


def test_the_published_example_is_answered_in_the_published_shape(api, book):
    book.grant(100, grant_id=PUBLISHED_GRANT)
    reply = api.post(PATH, PUBLISHED.read_bytes())
    row = CreditTransaction.objects.get(entry_number=2)
    created_at = row.created_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert reply.status_code == 201
    assert reply.headers["Sequence-Version"] == "2024-07-30"
    assert "Idempotent-Replayed" not in reply.headers
    assert reply.json() == {
        "id": str(row.id),
        "grantId": str(PUBLISHED_GRANT),
        "reason": "Refund",
        "invoiceId": "6cedbb5e-4f77-4217-b8d4-020e7e4d33c9",
        "billingRunId": "cbe82021-90bb-47cc-a665-eda41ec4ee5b",
        "type": "DEBIT",
        "amount": "10",
        "date": created_at[:10],
        "createdAt": created_at,
        "kind": "debit",
        "entryNumber": 2,
        "balanceAfter": "90",
    }
    assert (row.actor, row.request_id) == (f"api_key:{api.key.key.id}", reply.headers.get("X-Request-ID", row.request_id))


def test_absent_optional_fields_are_omitted_and_amounts_have_no_trailing_zeros(api, book):
    grant_id = book.grant("0.000000000000000003", cost_of_credit=Decimal(3))
    reply = api.post(PATH, {"grantId": str(grant_id), "type": "DEBIT", "amount": "0.000000000000000001"})
    body = reply.json()
    assert {name: body[name] for name in ("amount", "balanceAfter", "costBasis")} == {
        "amount": "0.000000000000000001",
        "balanceAfter": "0.000000000000000002",
        "costBasis": "1",
    }
    assert set(body) == {"id", "grantId", "type", "amount", "date", "createdAt", "kind", "entryNumber", "balanceAfter", "costBasis"}


def test_a_credit_may_raise_a_grant_above_its_original_amount(api, book):
    grant_id = book.grant(10)
    assert api.post(PATH, {"grantId": str(grant_id), "type": "CREDIT", "amount": "5.50"}).json()["balanceAfter"] == "15.5"
    book.check()


@pytest.mark.parametrize("form", ["basic", "bearer", "x-api-key"])
def test_every_form_of_the_key_is_accepted(company, book, form):
    key = IssuedKeyFactory(tenant=company)
    forms = {
        "basic": {"Authorization": "Basic " + base64.b64encode(key.basic.encode()).decode()},
        "bearer": {"Authorization": f"Bearer {key.token}"},
        "x-api-key": {"x-api-key": key.token},
    }
    body = {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}
    headers = forms[form] | {"On-Behalf-Of": str(company.id)}
    assert Client().post(PATH, json.dumps(body), content_type="application/json", headers=headers).status_code == 201


def test_a_request_without_a_key_or_with_a_wrong_one_changes_nothing(api, book):
    body = {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}
    for credentials in ({}, {"Authorization": "Basic !!!"}, {"Authorization": "Bearer nobody"}, {"x-api-key": api.key.token + "0"}):
        reply = Client().post(PATH, json.dumps(body), content_type="application/json", headers=credentials)
        refused(reply, 401, "Unauthorized")
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="credits"'
    assert CreditTransaction.objects.count() == 1


def test_on_behalf_of_is_required_and_may_name_a_child_account_but_no_other(api, book, outsider):
    grant_id = book.grant()
    body = {"grantId": str(grant_id), "type": "DEBIT", "amount": "1"}
    without = {name: value for name, value in api.headers.items() if name != "On-Behalf-Of"}
    reply = Client().post(PATH, json.dumps(body), content_type="application/json", headers=without)
    assert refused(reply, 400, "InvalidRequest") == [{"field": "On-Behalf-Of", "reason": "missing_header"}]
    for account in (str(outsider.tenant.id), "nonsense"):
        refused(api.post(PATH, body, headers={"On-Behalf-Of": account}), 401, "Unauthorized")
    child = TenantFactory(parent=api.tenant)
    refused(api.post(PATH, body, headers={"On-Behalf-Of": str(child.id)}), 400, "CreditGrantNotFound")
    assert book.entries(grant_id) == [("opening", "CREDIT", 100)]


def test_a_key_without_the_right_to_write_is_refused(company, book):
    key = IssuedKeyFactory(tenant=company, scopes=["credits:read"])
    headers = {"x-api-key": key.token, "On-Behalf-Of": str(company.id)}
    body = {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}
    refused(Client().post(PATH, json.dumps(body), content_type="application/json", headers=headers), 403, "Forbidden")


@pytest.mark.parametrize("version", ["2024-01-01", "2024-05-09", "2024-07-30"])
def test_a_reply_has_the_version_that_was_asked_for(api, book, version):
    reply = api.post(PATH, {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}, headers={"Sequence-Version": version})
    assert (reply.status_code, reply.headers["Sequence-Version"]) == (201, version)


def test_an_unknown_version_is_refused_with_the_published_message(api, book):
    reply = api.post(PATH, {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}, headers={"Sequence-Version": "2023-01-01"})
    assert reply.status_code == 400
    assert reply.json() == {
        "error": {
            "type": "UnrecognisedApiVersion",
            "message": "No matching API version found. Please make sure the specified API version is valid.",
        }
    }
    assert CreditTransaction.objects.count() == 1


def test_a_repeated_request_with_the_same_key_gets_the_first_reply(api, book):
    grant_id = book.grant()
    body = {"grantId": str(grant_id), "type": "DEBIT", "amount": "10", "invoiceId": "i"}
    first = api.post(PATH, body, key="k")
    book.debit(grant_id, 5)
    again = api.post(PATH, body | {"amount": "10.00"}, key="k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert book.balance(grant_id) == 85


def test_the_same_key_with_other_facts_is_a_conflict_that_names_them(api, book):
    grant_id = book.grant()
    first = api.post(PATH, {"grantId": str(grant_id), "type": "DEBIT", "amount": "10", "reason": "a"}, key="k").json()
    reply = api.post(PATH, {"grantId": str(grant_id), "type": "DEBIT", "amount": "11", "invoiceId": "i"}, key="k")
    assert refused(reply, 409, "IdempotencyConflict") == [
        {
            "field": "Idempotency-Key",
            "reason": "idempotency_conflict",
            "firstId": first["id"],
            "fields": ["amount", "reason", "invoiceId"],
        }
    ]
    assert book.balance(grant_id) == 90


def test_without_a_key_the_same_request_is_another_transaction_even_with_the_same_run_and_invoice(api, book):
    grant_id = book.grant()
    body = {"grantId": str(grant_id), "type": "DEBIT", "amount": "10", "invoiceId": "i", "billingRunId": "r"}
    assert api.post(PATH, body).json()["id"] != api.post(PATH, body).json()["id"]
    assert book.balance(grant_id) == 80


def test_the_key_of_a_refused_request_can_be_used_again(api, book):
    grant_id = book.grant(5)
    body = {"grantId": str(grant_id), "type": "DEBIT", "amount": "10"}
    refused(api.post(PATH, body, key="k"), 400, "InsufficientCredit")
    book.credit(grant_id, 5)
    assert api.post(PATH, body, key="k").json()["balanceAfter"] == "0"


def test_two_tenants_may_use_the_same_key(api, book, outsider):
    api.post(PATH, {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}, key="k")
    other = type(book)(outsider.tenant.id).grant()
    reply = outsider.post(PATH, {"grantId": str(other), "type": "DEBIT", "amount": "2"}, key="k")
    assert (reply.status_code, "Idempotent-Replayed" in reply.headers) == (201, False)


@pytest.mark.parametrize("key", ["", "x" * 256, "ümlaut"])
def test_a_bad_key_is_refused(api, book, key):
    reply = api.client.post(
        PATH,
        json.dumps({"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}),
        content_type="application/json",
        headers=api.headers | {"Idempotency-Key": key},
    )
    refused(reply, 400, "InvalidRequest")


def test_a_debit_above_the_balance_is_refused_with_the_balance_and_takes_nothing_of_other_grants(api, book):
    small, _ = book.grant(5), book.grant(100)
    reply = api.post(PATH, {"grantId": str(small), "type": "DEBIT", "amount": "5.01"})
    assert refused(reply, 400, "InsufficientCredit") == [
        {
            "field": "amount",
            "reason": "insufficient_credit",
            "available": "5",
            "requested": "5.01",
            "grantId": str(small),
            "balance": "5",
            "held": "0",
        }
    ]
    assert "5.01" in reply.json()["error"]["message"]
    assert CreditTransaction.objects.count() == 2


def test_an_unknown_grant_and_one_of_another_account_look_the_same(api, book, outsider):
    foreign = type(book)(outsider.tenant.id).grant()
    replies = []
    for grant_id in (str(foreign), "00000000-0000-7000-8000-000000000000", "nonsense"):
        reply = api.post(PATH, {"grantId": grant_id, "type": "DEBIT", "amount": "1"})
        details = refused(reply, 400, "CreditGrantNotFound")
        assert details == [{"field": "grantId", "reason": "grant_not_found", "grantId": grant_id}]
        replies.append(reply.content.replace(grant_id.encode(), b""))
    assert len(set(replies)) == 1


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("grantId", None, "null"),
        ("grantId", 1, "not_text"),
        ("grantId", "\x00", "unstorable_text"),
        ("type", "debit", "unknown_choice"),
        ("type", 1, "not_text"),
        ("amount", 10, "number_as_money"),
        ("amount", 10.5, "number_as_money"),
        ("amount", "0", "not_positive"),
        ("amount", "0.0", "not_positive"),
        ("amount", "-1", "number_syntax"),
        ("amount", "+1", "number_syntax"),
        ("amount", "1e3", "number_syntax"),
        ("amount", "1.", "number_syntax"),
        ("amount", ".5", "number_syntax"),
        ("amount", "1,0", "number_syntax"),
        ("amount", " 1", "number_syntax"),
        ("amount", "1\n", "number_syntax"),
        ("amount", "NaN", "number_syntax"),
        ("amount", "Infinity", "number_syntax"),
        ("amount", "１０", "number_syntax"),
        ("amount", "", "number_syntax"),
        ("amount", "0.0000000000000000001", "too_many_decimals"),
        ("amount", "1" + "0" * 18, "too_many_digits"),
        ("amount", None, "null"),
        ("reason", "x" * 1001, "too_long"),
        ("reason", 5, "not_text"),
        ("invoiceId", "", "too_short"),
        ("invoiceId", "x" * 256, "too_long"),
        ("billingRunId", [], "not_text"),
    ],
)
def test_a_bad_value_is_refused_by_name(api, book, field, value, reason):
    body = {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"} | {field: value}
    [detail] = refused(api.post(PATH, body), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == (field, reason)
    assert CreditTransaction.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff", 400),
        (b'{"grantId": "\\ud800", "type": "DEBIT", "amount": "1"}', 400),
        (b'{"a": NaN}', 400),
        (b"[" * 100_000, 400),
        (b" " * 2_000_000, 413),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(api, raw, status):
    refused(api.post(PATH, raw), status, "RequestTooLarge" if status == 413 else "InvalidRequest")


def test_every_missing_field_is_named_at_once(api):
    details = refused(api.post(PATH, {}), 400, "InvalidRequest")
    assert [(detail["field"], detail["reason"]) for detail in details] == [
        ("grantId", "missing"),
        ("type", "missing"),
        ("amount", "missing"),
    ]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(api, method):
    reply = getattr(api.client, method)(PATH, headers=api.headers)
    refused(reply, 405, "MethodNotAllowed")
    assert reply.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert reply.headers["Sequence-Version"] == "2024-07-30"


def test_an_unknown_address_below_the_list_has_the_same_error_envelope(api):
    refused(api.get("/credit-transactions/nonsense"), 404, "NotFound")


def test_dates_are_utc_and_inclusive_at_both_ends(api, book):
    facts = {"effective_date": date(2026, 3, 1), "expiry_date": date(2026, 3, 31)}
    with time_machine.travel(datetime(2026, 2, 1, tzinfo=UTC), tick=False):
        grant_id = book.grant(100, **facts)
    body = {"grantId": str(grant_id), "type": "DEBIT", "amount": "1"}
    expected = [
        (datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "CreditGrantNotYetEffective"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01"),
        (datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC), "2026-03-31"),
        (datetime(2026, 4, 1, tzinfo=UTC), "CreditGrantExpired"),
    ]
    for moment, word in expected:
        with time_machine.travel(moment, tick=False):
            reply = api.post(PATH, body).json()
        assert (reply.get("date") or reply["error"]["type"]) == word
    assert book.balance(grant_id) == 98


def test_a_credit_that_cites_an_invoice_gives_back_at_most_what_it_took_from_this_grant(api, book):
    grant_id, other = book.grant(100), book.grant(100)
    book.debit(grant_id, 30, invoice_id="i")
    book.debit(other, 50, invoice_id="i")
    give = {"grantId": str(grant_id), "type": "CREDIT", "invoiceId": "i"}
    assert api.post(PATH, give | {"amount": "20"}).status_code == 201
    [detail] = refused(api.post(PATH, give | {"amount": "10.01"}), 400, "InvoiceCreditExceeded")
    assert (detail["taken"], detail["requested"], detail["balance"], detail["field"]) == ("10", "10.01", "90", "amount")
    assert api.post(PATH, give | {"amount": "10"}).status_code == 201
    refused(api.post(PATH, give | {"amount": "0.01"}), 400, "InvoiceCreditExceeded")
    refused(api.post(PATH, give | {"amount": "1", "invoiceId": "another"}), 400, "InvoiceCreditExceeded")
    assert book.balance(grant_id) == 100


@pytest.mark.django_db(transaction=True)
def test_a_post_is_one_statement_once_caches_are_filled(api, book, django_assert_num_queries):
    body = {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1"}
    api.post(PATH, body)
    with django_assert_num_queries(1):
        assert api.post(PATH, body, key="k").status_code == 201
    with django_assert_num_queries(1):
        assert api.post(PATH, body, key="k").headers["Idempotent-Replayed"] == "true"
