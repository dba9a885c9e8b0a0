"""POST /credit-transactions/batch."""

from credits.models import CreditTransaction
from tests.credits.test_create_transaction import refused

PATH = "/credit-transactions/batch"


def debit(grant_id, amount, **more):
    return {"grantId": str(grant_id), "type": "DEBIT", "amount": amount} | more


def statuses(reply):
    assert reply.status_code == 200, reply.content
    return [item.get("error", {}).get("type", item["status"]) for item in reply.json()["items"]]


def test_each_item_has_an_outcome_of_its_own_in_order(api, book):
    grant_id = book.grant(10)
    reply = api.post(
        PATH,
        {
            "items": [
                debit(grant_id, "6"),
                debit(grant_id, "5"),
                debit(grant_id, 1),
                debit("nonsense", "1"),
                {"grantId": str(grant_id), "type": "CREDIT", "amount": "1"},
                debit(grant_id, "5"),
                "nonsense",
            ]
        },
    )
    assert statuses(reply) == [
        "posted",
        "InsufficientCredit",
        "InvalidRequest",
        "CreditGrantNotFound",
        "posted",
        "posted",
        "InvalidRequest",
    ]
    body = reply.json()
    assert (body["posted"], body["replayed"], body["refused"]) == (3, 0, 4)
    assert [item["index"] for item in body["items"]] == list(range(7))
    assert body["items"][5]["transaction"]["balanceAfter"] == "0"
    assert body["items"][1]["error"]["details"][0]["balance"] == "4"
    book.check()


def test_atomic_writes_all_or_nothing(api, book):
    grant_id = book.grant(10)
    reply = api.post(PATH, {"atomic": True, "items": [debit(grant_id, "6"), debit(grant_id, "5"), debit(grant_id, "1")]})
    assert statuses(reply) == ["BatchAborted", "InsufficientCredit", "BatchAborted"]
    assert reply.json()["items"][0]["error"]["details"] == [{"reason": "batch_aborted", "index": 1}]
    reply = api.post(PATH, {"atomic": True, "items": [debit(grant_id, "6"), debit(grant_id, 5)]})
    assert statuses(reply) == ["BatchAborted", "InvalidRequest"]
    assert book.balance(grant_id) == 10
    reply = api.post(PATH, {"atomic": True, "items": [debit(grant_id, "6"), debit(grant_id, "4")]})
    assert statuses(reply) == ["posted", "posted"]
    assert book.balance(grant_id) == 0


def test_atomic_can_also_be_a_query_parameter(api, book):
    grant_id = book.grant(10)
    reply = api.post(f"{PATH}?atomic=true", {"items": [debit(grant_id, "6"), debit(grant_id, "5")]})
    assert statuses(reply) == ["BatchAborted", "InsufficientCredit"]
    assert book.balance(grant_id) == 10


def test_a_repeated_batch_is_replayed_item_by_item(api, book):
    grant_id = book.grant(10)
    items = [debit(grant_id, "1"), debit(grant_id, "2", idempotencyKey="own"), debit(grant_id, "1")]
    first = api.post(PATH, {"items": items}, key="k")
    again = api.post(PATH, {"items": items}, key="k")
    assert statuses(first) == ["posted"] * 3
    assert statuses(again) == ["replayed"] * 3
    assert [item["transaction"] for item in again.json()["items"]] == [item["transaction"] for item in first.json()["items"]]
    assert book.balance(grant_id) == 6


def test_the_same_key_twice_in_one_batch_is_one_transaction(api, book):
    grant_id, other = book.grant(10), book.grant(10)
    items = [
        debit(grant_id, "20", idempotencyKey="k"),
        debit(grant_id, "2", idempotencyKey="k"),
        debit(grant_id, "2", idempotencyKey="k"),
        debit(other, "2", idempotencyKey="k"),
    ]
    reply = api.post(PATH, {"items": items})
    assert statuses(reply) == ["InsufficientCredit", "posted", "replayed", "IdempotencyConflict"]
    assert book.balance(grant_id) == 8
    book.check()


def test_the_invoice_rule_counts_what_the_same_batch_took_and_gave(api, book):
    grant_id = book.grant(10)

    def give(amount):
        return {"grantId": str(grant_id), "type": "CREDIT", "amount": amount, "invoiceId": "i"}

    reply = api.post(PATH, {"items": [give("1"), debit(grant_id, "3", invoiceId="i"), give("2"), give("1.5"), give("1")]})
    assert statuses(reply) == ["InvoiceCreditExceeded", "posted", "posted", "InvoiceCreditExceeded", "posted"]
    assert book.balance(grant_id) == 10


def test_a_thousand_items_on_one_grant_are_one_call(api, book):
    grant_id = book.grant(1000)
    reply = api.post(PATH, {"items": [debit(grant_id, "1")] * 1000})
    assert reply.json()["posted"] == 1000
    assert book.balance(grant_id) == 0
    book.check()


def test_empty_and_oversized_batches_are_refused(api, book):
    item = debit(book.grant(), "1")
    for items in ([], [item] * 1001, "x", None):
        refused(api.post(PATH, {"items": items}), 400, "InvalidRequest")
    assert CreditTransaction.objects.count() == 1
