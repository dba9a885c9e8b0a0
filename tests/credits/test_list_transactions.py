"""GET /credit-transactions and /credit-transactions/{id}."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.credits.test_create_transaction import refused

PATH = "/credit-transactions"


def test_a_transaction_reads_as_it_was_returned_when_it_was_created(api, book):
    made = api.post(PATH, {"grantId": str(book.grant()), "type": "DEBIT", "amount": "1", "reason": "r"}).json()
    assert api.get(f"{PATH}/{made['id']}").json() == made


def test_another_accounts_transaction_is_not_found(api, book, outsider):
    row = book.debit(book.grant(), 1).row
    refused(outsider.get(f"{PATH}/{row.id}"), 404, "NotFound")
    refused(outsider.post(f"{PATH}/{row.id}/reverse", {"reason": "r"}), 404, "NotFound")
    assert outsider.get(PATH).json() == {"items": [], "pagination": {}}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["4", "1.5", "2", "1", "100", "100"]),
        ({"type": "CREDIT"}, ["1.5", "100", "100"]),
        ({"customerId": "bolt"}, ["4", "100"]),
        ({"invoiceId": "i"}, ["1.5", "2"]),
        ({"invoiceId": "i", "type": "DEBIT"}, ["2"]),
        ({"billingRunId": "r"}, ["2", "1"]),
        ({"invoiceId": "unknown"}, []),
        ({"grantId": "00000000-0000-7000-8000-000000000000"}, []),
    ],
)
def test_filters_narrow_the_list(api, book, filters, expected):
    acme, bolt = book.grant(), book.grant(customer_id="bolt")
    book.debit(acme, 1, billing_run_id="r")
    book.debit(acme, 2, invoice_id="i", billing_run_id="r")
    book.credit(acme, 1.5, invoice_id="i")
    book.debit(bolt, 4)
    assert [item["amount"] for item in api.get(PATH, **filters).json()["items"]] == expected


def test_from_and_to_are_book_times_and_inclusive(api, book):
    row = book.debit(book.grant(), 1).row
    moment = row.created_at.isoformat()
    today = datetime.now(UTC).date()
    assert len(api.get(PATH, **{"from": moment, "to": moment}).json()["items"]) == 1
    assert len(api.get(PATH, **{"from": str(today), "to": str(today)}).json()["items"]) == 2
    assert len(api.get(PATH, to=str(today - timedelta(days=1))).json()["items"]) == 0
    refused(api.get(PATH, **{"from": "yesterday"}), 400, "InvalidRequest")
    refused(api.get(PATH, grantId="x"), 400, "InvalidRequest")
    refused(api.get(PATH, type="x"), 400, "InvalidRequest")


def test_a_transaction_is_reversed_once_by_another_that_names_it(api, book):
    grant_id = book.grant()
    row = book.debit(grant_id, 30, invoice_id="i").row
    reply = api.post(f"{PATH}/{row.id}/reverse", {"reason": "wrong customer"}, key="k")
    made = reply.json()
    assert (reply.status_code, made["type"], made["kind"], made["reverses"]) == (201, "CREDIT", "reversal", str(row.id))
    assert (made["amount"], made["invoiceId"], made["balanceAfter"]) == ("30", "i", "100")
    assert api.post(f"{PATH}/{row.id}/reverse", {"reason": "wrong customer"}, key="k").json() == made
    [detail] = refused(api.post(f"{PATH}/{row.id}/reverse", {"reason": "again"}), 409, "AlreadyReversed")
    assert detail["reversedBy"] == made["id"]
    refused(api.post(f"{PATH}/{made['id']}/reverse", {"reason": "back"}), 400, "NotReversible")
    book.check()


def test_a_credit_can_be_reversed_only_while_the_balance_covers_it(api, book):
    grant_id = book.grant(10)
    row = book.credit(grant_id, 5).row
    book.debit(grant_id, 12)
    [detail] = refused(api.post(f"{PATH}/{row.id}/reverse", {"reason": "r"}), 400, "InsufficientCredit")
    assert (detail["available"], detail["requested"]) == ("3", "5")
    assert book.balance(grant_id) == 3


def test_what_an_invoice_gave_back_cannot_be_given_back_again_by_a_reversal(api, book):
    grant_id = book.grant(100)
    row = book.debit(grant_id, 30, invoice_id="i").row
    book.credit(grant_id, 30, invoice_id="i")
    [detail] = refused(api.post(f"{PATH}/{row.id}/reverse", {"reason": "r"}), 400, "InvoiceCreditExceeded")
    assert (detail["taken"], detail["requested"]) == ("0", "30")
    assert book.balance(grant_id) == 100
