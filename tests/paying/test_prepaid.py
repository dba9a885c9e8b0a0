"""A tenant that prepays: what is held when a call is recorded, and what is taken when it is over."""

import json
from decimal import Decimal

import pytest

import billing.services
from billing.models import Wallet
from metering import services as metering
from metering.models import Transaction
from metering.paying import services
from tests.paying.book import NAMES, PayingBook, cost
from tests.rules.book import RuleBook, limit

pytestmark = pytest.mark.django_db


def money(*amounts):
    return tuple(Decimal(str(amount)) for amount in amounts)


def test_an_estimate_is_held_of_credits_first_and_the_wallet_next():
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    assert (row["status"], row["requires_payment"], row["payment"]["amount"]) == ("authorized", True, 10)
    assert book.money() == money(6, 6, 20, 4)
    assert book.active(row) == [(10, True, None)]
    book.is_sound()


@pytest.mark.parametrize(
    ("actual", "left", "status", "unpaid"),
    [
        ("7.5", (0, 0, "18.5", 0), "captured", 0),
        ("5", (1, 0, 20, 0), "captured", 0),
        ("10", (0, 0, 16, 0), "captured", 0),
        # More than was held is debited at once, if all of it is covered.
        ("12", (0, 0, 14, 0), "captured", 0),
        ("26", (0, 0, 0, 0), "captured", 0),
        ("27", (0, 0, 16, 0), "captured", 17),
    ],
)
def test_what_a_call_cost_is_captured_when_it_is_completed(actual, left, status, unpaid):
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    book.add_cost(row, actual, supersedes_cost_id=row["costs"][0]["id"])
    done = book.complete(row)
    assert (done["status"], done["payment"]["status"]) == ("completed", status)
    assert book.money() == money(*left)
    payment = book.payment(row)
    assert (payment.captured, payment.unpaid) == (Decimal(actual) - unpaid, unpaid)
    assert book.active(row) == [(Decimal(actual), False, None)]
    book.is_sound()


def test_an_estimate_that_nothing_better_is_known_of_becomes_the_cost():
    book = PayingBook(wallet=20)
    row = book.record(cost(3), cost(4))
    book.complete(row)
    assert book.money() == money(0, 0, 13, 0)
    [(amount, is_estimate, details)] = book.active(row)
    assert (amount, is_estimate, '"payment_capture"' in details, '"capturedAmount" : "7"' in details) == (7, False, True, True)
    book.is_sound()


def test_a_call_that_failed_costs_what_is_known_to_be_spent():
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    book.complete(row, "error")
    assert (book.money(), book.payment(row).status, book.active(row)[0][:2]) == (money(6, 0, 20, 0), "released", (0, False))
    row = book.record(cost(10))
    book.add_cost(row, 2)
    book.complete(row, "error")
    assert (book.money(), book.payment(row).captured) == (money(4, 0, 20, 0), 2)
    book.is_sound()


def test_a_cancelled_call_costs_nothing_and_holds_nothing():
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    assert book.cancel(row)["payment"]["status"] == "released"
    assert book.money() == money(6, 0, 20, 0)
    book.is_sound()


def test_a_wallet_that_is_not_there_pays_down_to_the_floor_of_a_new_one():
    """As a debit does, which opens it."""
    book = PayingBook(credit=1)
    billing.services.set_policy(**book.who, default_floor=Decimal(-10))
    denied = book.record(cost(12))
    reason = "Insufficient funds: 12.00 USD needed, 1.00 USD in credits and 10.00 USD in the wallet available"
    assert (denied["status"], denied["decline_reason"]) == ("denied", reason)
    # What isn't held is debited at once, or stays unpaid; a refused debit leaves no wallet.
    row = book.record(cost(1))
    book.add_cost(row, 11)
    book.complete(row)
    assert (book.payment(row).unpaid, Wallet.objects.count()) == (11, 0)
    row = book.record(cost(1), customer_id="other")
    assert book.money() == money(0, 0, 0, 1)
    book.cancel(row)
    book.is_sound()


def test_without_enough_money_a_call_is_denied_and_nothing_is_held():
    book = PayingBook(credit=6, wallet="3.5")
    row = book.record(cost(10), customer_id=None)
    reason = "Insufficient funds: 10.00 USD needed, 6.00 USD in credits and 3.50 USD in the wallet available"
    assert (row["status"], row["decline_reason"], row["payment"], row["costs"]) == ("denied", reason, None, [])
    assert book.money() == money(6, 0, "3.5", 0)
    # Neither is a part of two currencies.
    row = book.record(cost(5), cost(1, currency="EUR"))
    assert (row["status"], "1.00 EUR needed, 0.00 EUR in credits" in row["decline_reason"]) == ("denied", True)
    assert book.money() == money(6, 0, "3.5", 0)
    book.is_sound()


def test_each_currency_is_paid_for_itself():
    book = PayingBook(credit=6, wallet=20)
    book.grant(5, currency="EUR")
    row = book.record(cost(7), cost(2, currency="EUR"))
    assert row["status"] == "authorized"
    book.complete(row)
    assert book.money() == (Decimal(3), 0, Decimal(19), 0)
    book.is_sound()


def test_a_wallet_without_a_floor_pays_down_to_zero_unless_the_policy_lets_it_go_below():
    book = PayingBook(wallet=5)
    assert book.record(cost(6))["status"] == "denied"
    metering.set_policy(**book.who, allows_overdraft=True)
    row = book.record(cost(6))
    book.complete(row)
    assert book.money() == money(0, 0, -1, 0)
    book.is_sound()


def test_the_customer_of_the_call_pays_or_the_agents_or_the_one_of_the_policy():
    book = PayingBook(payer_customer_id="house")
    for customer in ("house", "agents", "own"):
        book.grant(1, customer=customer)
    agent = metering.create_agent(**book.who, label="a", name="a", customer_id="agents")
    row = book.record(cost(1), agent_name="a", customer_id="own")
    assert row["payment"]["customer_id"] == "own"
    assert book.record(cost(1), agent_name="a")["payment"]["customer_id"] == "agents"
    assert book.record(cost(1))["payment"]["customer_id"] == "house"
    assert (book.record(cost(1))["status"], agent is not None) == ("denied", True)
    book.is_sound()


def test_what_was_not_estimated_is_debited_when_it_is_known():
    book = PayingBook(credit=6)
    row = book.record()
    assert (row["requires_payment"], row["payment"]) == (False, None)
    book.add_cost(row, 4)
    assert book.complete(row)["payment"]["captured"] == 4
    book.add_cost(row, 1)
    assert (book.money(), book.payment(row).captured) == (money(1, 0, 0, 0), 5)
    book.add_cost(row, 3)
    assert (book.money(), book.payment(row).unpaid) == (money(1, 0, 0, 0), 3)
    book.top_up(5)
    book.add_cost(row, 1)
    assert (book.money(), book.payment(row).captured, book.payment(row).unpaid) == (money(0, 0, 2, 0), 9, 0)
    book.is_sound()


def test_a_repeated_call_pays_once():
    book = PayingBook(credit=10)
    rows = [book.record(cost(4), idempotency_key="k") for _ in range(2)]
    assert (rows[0]["id"], rows[1]["payment"]["id"]) == (rows[1]["id"], rows[0]["payment"]["id"])
    for _ in range(2):
        book.complete(rows[0], idempotency_key="done")
    assert book.money() == money(6, 0, 0, 0)
    book.is_sound()


def test_a_batch_is_paid_in_one_call_and_each_item_for_itself():
    book = PayingBook(credit=5, wallet=4)
    facts = [NAMES | {"costs": [cost(amount)], "customer_id": customer} for amount, customer in ((4, None), (6, None), (3, None), (1, "x"))]
    recorded = metering.record_transactions(**book.who, transactions=facts)
    assert [one.row["status"] for one in recorded] == ["authorized", "denied", "authorized", "authorized"]
    assert book.money() == money(5, 5, 4, 3)
    assert recorded[0].row["payment"]["amount"] == 4
    book.is_sound()


def test_rules_decide_before_the_money_and_count_nothing_that_it_denies():
    book = PayingBook(credit=5)
    rules = RuleBook(book.tenant)
    rules.add_rule(limit(10))
    assert "limit of 10.00 USD" in book.record(cost(11))["decline_reason"]
    assert book.record(cost(6))["decline_reason"].startswith("Insufficient funds")
    assert rules.used() == {"[]": 0}
    row = book.record(cost(4))
    book.add_cost(row, 1, supersedes_cost_id=row["costs"][0]["id"])
    book.complete(row)
    assert (rules.used(), book.money()) == ({"[]": 1}, money(4, 0, 0, 0))
    rules.is_sound()
    book.is_sound()


def test_a_transaction_that_waits_is_paid_when_it_is_authorized():
    book = PayingBook(credit=5, authorizes_at_once=False)
    rows = [book.record(cost(3)) for _ in range(2)]
    assert book.money() == money(5, 0, 0, 0)
    for row in rows:
        metering.prepare_transaction(**book.who, transaction_id=row["id"])
    moved = [metering.authorize_transaction(**book.who, transaction_id=row["id"]).row for row in rows]
    assert [row["status"] for row in moved] == ["authorized", "denied"]
    assert (moved[0]["payment"]["amount"], book.money()) == (3, money(5, 3, 0, 0))
    book.is_sound()


def ask(book, row, amount):
    option = {"scheme": "upto", "network": "sapiom:main", "asset": "USD", "amount": amount, "payTo": "shop"}
    challenge = json.dumps({"x402Version": 2, "accepts": [option]})
    return metering.reauthorize_transaction(**book.who, transaction_id=row["id"], x402=challenge).row


def test_a_further_round_that_is_denied_releases_what_is_held():
    book = PayingBook(credit=5)
    RuleBook(book.tenant).add_rule(limit(4))
    row = book.record(cost(3))
    assert ask(book, row, "5")["payment"]["status"] == "released"
    assert book.money() == money(5, 0, 0, 0)
    book.is_sound()


def test_a_further_round_that_waits_is_paid_once():
    book = PayingBook(credit=5)
    rules = RuleBook(book.tenant)
    rules.add_rule(limit(4), resolution_strategy="manual")
    row = book.record(cost(3))
    assert ask(book, row, "5")["status"] == "preparing"
    allowed = metering.decide_waiting(**book.who, transaction_id=row["id"], allow=True, reason="fine")
    # The payment of the challenge takes the place of what was held for the estimate; nobody collects it.
    assert (allowed["status"], allowed["payment"]["amount"], book.money()) == ("authorized", 5, money(5, 5, 0, 0))
    book.complete(row)
    assert book.money() == money(5, 0, 0, 0)
    book.is_sound()


def test_an_overdue_payment_holds_nothing_and_the_call_can_still_be_paid():
    book = PayingBook(credit=6, wallet=20)
    rows = [book.record(cost(10)) for _ in range(2)]
    for row in rows:
        book.move_clock(book.payment(row))
    assert services.expire_payments(actor="job:test", request_id="") == 2
    assert (book.money(), book.payment(rows[0]).status) == (money(6, 0, 20, 0), "expired")
    book.complete(rows[0])
    assert (book.money(), book.payment(rows[0]).status) == (money(0, 0, 16, 0), "captured")
    # Without its job an overdue payment covers nothing either.
    row = book.record(cost(10))
    book.move_clock(book.payment(row))
    book.complete(row)
    assert (book.money(), book.payment(row).captured) == (money(0, 0, 6, 0), 10)
    book.is_sound()


def test_a_payment_is_released_by_hand_and_its_call_pays_when_it_is_completed():
    book = PayingBook(credit=6)
    row = book.record(cost(4))
    its = book.who | {"payment_id": book.payment(row).id}
    for _ in range(2):
        services.release_payment(**its, reason="a test")
    assert (book.money(), book.payment(row).reason) == (money(6, 0, 0, 0), "a test")
    book.complete(row)
    assert book.money() == money(2, 0, 0, 0)
    book.is_sound()


def test_a_call_that_fails_after_its_payment_was_released_costs_nothing():
    book = PayingBook(credit=6)
    row = book.record(cost(4))
    services.release_payment(**book.who, payment_id=book.payment(row).id, reason="a test")
    book.complete(row, "error")
    assert (book.money(), book.active(row)[0][:2]) == (money(6, 0, 0, 0), (0, False))
    book.is_sound()


def test_a_tenant_that_does_not_prepay_pays_nothing():
    book = PayingBook(credit=6)
    metering.set_policy(**book.who, holds_estimates=False)
    row = book.record(cost(4))
    book.complete(row)
    assert (book.money(), Transaction.objects.get().requires_payment) == (money(6, 0, 0, 0), False)


def test_money_is_held_no_longer_than_the_ledgers_allow():
    book = PayingBook(credit=1, wallet=20)
    billing.services.set_policy(tenant_id=book.tenant_id, actor="command:test", request_id="", longest_hold_seconds=60)
    payment = book.payment(book.record(cost(10)))
    assert (payment.hold_expires_at - payment.created_at).total_seconds() == 60
    book.is_sound()
