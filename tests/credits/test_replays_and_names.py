"""What a repeated call replies, which keys meet, and ids of customers in addresses."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
import time_machine

from credits import services
from credits.models import CreditTransaction, Grant
from tests.credits.test_create_transaction import refused

GRANT = {"customerId": "acme", "name": "n", "creditUnitType": "CURRENCY", "currency": "USD", "amount": 100}
HOLD = {"amount": "12", "currency": "USD", "expiresAt": "2099-01-01T00:00:00Z"}
RECURRING_GRANT = {"customerId": "acme", "name": "n", "creditUnitType": "CURRENCY", "currency": "USD", "amount": 10}


def grant(api, **more):
    return api.post("/credits", GRANT | {"sequenceAccountId": str(api.tenant.id)} | more, key="k")


def test_a_repeated_grant_gets_the_first_reply_even_after_it_was_used(api, book):
    first = grant(api)
    book.debit(first.json()["id"], 30)
    services.place_hold(**book.context, customer_id="acme", currency="USD", amount=Decimal(5), expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    again = grant(api)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_repeated_grant_that_was_deleted_gets_the_first_reply(api):
    first = grant(api)
    api.delete(f"/credits/{first.json()['id']}")
    assert grant(api).json() == first.json()


def test_stating_the_default_first_day_is_not_another_request(api):
    first = grant(api).json()
    assert grant(api, effectiveDate=first["effectiveDate"]).json() == first
    tomorrow = (date.fromisoformat(first["effectiveDate"]) + timedelta(days=1)).isoformat()
    [detail] = refused(grant(api, effectiveDate=tomorrow), 409, "IdempotencyConflict")
    assert detail["fields"] == ["effectiveDate"]


def test_a_repeated_hold_gets_the_first_reply(api, book):
    book.grant(10), book.grant(10)
    first = api.post("/credits/acme/holds", HOLD, key="k")
    api.post(f"/credits/acme/holds/{first.json()['id']}/capture", {"amount": "3"})
    again = api.post("/credits/acme/holds", HOLD, key="k")
    assert (again.status_code, again.json()) == (201, first.json())


def test_a_capture_without_an_amount_and_one_of_the_whole_amount_are_the_same_request(api, book):
    book.grant(20)
    hold = api.post("/credits/acme/holds", HOLD).json()["id"]
    first = api.post(f"/credits/acme/holds/{hold}/capture", {})
    again = api.post(f"/credits/acme/holds/{hold}/capture", {"amount": "12"})
    assert (again.status_code, again.json()) == (200, first.json())
    refused(api.post(f"/credits/acme/holds/{hold}/capture", {"amount": "11"}), 409, "IdempotencyConflict")


def test_a_repeated_recurring_grant_gets_the_first_reply(api):
    first = api.post("/credit-schedules", RECURRING_GRANT, key="k")
    api.delete(f"/credit-schedules/{first.json()['id']}")
    again = api.post("/credit-schedules", RECURRING_GRANT | {"startsOn": first.json()["startsOn"]}, key="k")
    assert (again.json(), again.status_code) == (first.json(), 201)


def test_a_recurring_grant_that_costs_nothing_issues_grants_that_cost_nothing(api):
    api.post("/credit-schedules", RECURRING_GRANT | {"costOfCredit": 0})
    assert Grant.objects.get().cost_of_credit == 0
    [issued] = api.get("/credits").json()["items"]
    assert issued["costOfCredit"] == 0


def test_each_kind_of_call_has_its_own_keys_and_a_batch_shares_them_with_single_calls(api, book):
    """A key is a tenant's for one kind of call. Transactions, reversals and the items of batches are one kind."""
    grant_id = grant(api).json()["id"]
    debit = {"grantId": grant_id, "type": "DEBIT", "amount": "1"}
    for path, body in (("/credit-transactions", debit), ("/credits/acme/holds", HOLD), ("/credit-schedules", RECURRING_GRANT)):
        assert api.post(path, body, key="k").status_code == 201
    assert api.post("/credits/acme/consume", {"amount": "1", "currency": "USD"}, key="k").status_code == 201
    batch = api.post("/credit-transactions/batch", {"items": [debit]}, key="b").json()
    assert batch["posted"] == 1
    again = api.post("/credit-transactions", debit, key="b:0")
    assert (again.headers["Idempotent-Replayed"], again.json()["id"]) == ("true", batch["items"][0]["transaction"]["id"])


def test_a_transaction_is_reversed_in_parts_each_with_its_own_key(api, book):
    grant_id = book.grant(10)
    debit = book.debit(grant_id, 5, invoice_id="i").row.id
    path = f"/credit-transactions/{debit}/reverse"
    first = api.post(path, {"amount": "0.5", "reason": "r"}, key="a")
    assert (first.status_code, first.json()["amount"], first.json()["reverses"]) == (201, "0.5", str(debit))
    assert api.post(path, {"amount": "0.5", "reason": "r"}, key="a").headers["Idempotent-Replayed"] == "true"
    refused(api.post(path, {"amount": "0.6", "reason": "r"}, key="a"), 409, "IdempotencyConflict")
    [detail] = refused(api.post(path, {"amount": "4", "reason": "r"}), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == ("Idempotency-Key", "missing")
    [detail] = refused(api.post(path, {"amount": "4.6", "reason": "r"}, key="c"), 400, "ReversalExceedsOriginal")
    assert (detail["field"], detail["remaining"], detail["requested"]) == ("amount", "4.5", "4.6")
    assert api.post(path, {"reason": "r"}, key="b").json()["amount"] == "4.5"
    assert api.post(path, {"reason": "r"}, key="b").headers["Idempotent-Replayed"] == "true"
    refused(api.post(path, {"reason": "r"}), 409, "AlreadyReversed")
    assert (book.balance(grant_id), CreditTransaction.objects.filter(kind="reversal").count()) == (10, 2)
    book.check()


@pytest.mark.parametrize("customer", ["org/acme", "a b", "ä%2Fö", "a/holds", "/", "..", "?x=1#y", "a" * 255])
def test_every_address_accepts_any_customer_id(api, customer):
    grant_id = grant(api, customerId=customer).json()["id"]
    at = f"/credits/{quote(customer, safe='')}"
    assert [item["id"] for item in api.get(f"{at}/grants").json()["items"]] == [grant_id]
    assert api.get(f"{at}/balances").json()["items"][0]["balance"] == "100"
    assert api.get(f"{at}/explain").json()["sums"][0]["grantId"] == grant_id
    assert api.get(f"{at}/consume/preview?amount=1&currency=USD").json()["taken"] == "1"
    assert api.post(f"{at}/consume", {"amount": "1", "currency": "USD", "invoiceId": "i"}).status_code == 201
    assert api.post(f"{at}/reinstate", {"invoiceId": "i"}).status_code == 201
    hold = api.post(f"{at}/holds", HOLD).json()
    assert hold["customerId"] == customer
    assert api.get(f"{at}/holds/{hold['id']}").json() == hold == api.get(f"{at}/holds").json()["items"][0]
    assert api.post(f"{at}/holds/{hold['id']}/release", {}).status_code == 200


@pytest.mark.parametrize("customer", ["a\nb", "a\x00b", "a\x85b", "", " a", "a\u200b"])
def test_a_customer_id_with_control_characters_is_refused_when_it_is_first_used(api, customer):
    refused(grant(api, customerId=customer), 400, "InvalidRequest")
    refused(api.post("/credit-schedules", RECURRING_GRANT | {"customerId": customer}), 400, "InvalidRequest")


def test_every_view_leaves_out_a_hold_from_the_moment_it_is_overdue(api, book):
    with time_machine.travel(datetime(2026, 6, 1, 12, tzinfo=UTC), tick=True) as clock:
        grant_id = book.grant(100)
        end = datetime(2026, 6, 1, 13, tzinfo=UTC)
        hold = services.place_hold(**book.context, customer_id="acme", currency="USD", amount=Decimal(30), expires_at=end).row.id

        def views(**at):
            return {
                api.get(f"/credits/{grant_id}", **at).json()["held"],
                api.get("/credits/acme/balances", **at).json()["items"][0]["held"],
                api.get("/credits/balances", **at).json()["items"][0]["held"],
                api.get("/credits/acme/explain", **at).json()["sums"][0]["held"],
                api.get(f"/credits/{grant_id}/explain", **at).json()["sums"][0]["held"],
            }

        assert views() == {"30"}
        clock.move_to(datetime(2026, 6, 1, 13, 30, tzinfo=UTC))
        during, after = {"at": "2026-06-01T12:59:59Z"}, {"at": "2026-06-01T13:00:00Z"}
        assert (views(), views(**during), views(**after)) == ({"0"}, {"30"}, {"0"})
        assert [line["held"] for line in api.get(f"/credits/acme/holds/{hold}").json()["lines"]] == ["0"]
        # The same after its job has come by.
        list(services.expire_holds(actor="job:test", request_id=""))
        assert (views(), views(**during), views(**after)) == ({"0"}, {"30"}, {"0"})
    book.check()
