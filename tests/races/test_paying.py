"""Many buyers at once on one customer's money: what is sold is what there was money for."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

import billing.services
from billing.models import Transaction as WalletTransaction
from metering import services as metering
from metering.paying import services
from metering.paying.models import Payment
from tests.paying.book import NAMES, PayingBook, cost
from tests.paying.shop import URL, Market, challenge
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("wallet", "floor"), [(15, None), (0, Decimal(-15))])
def test_of_64_buyers_with_money_for_40_exactly_40_are_served(wallet, floor):
    """Also where the first of them opens the wallet, which may go below zero."""
    book = PayingBook(credit=25)
    billing.services.set_policy(**book.who, default_floor=floor)
    if wallet:
        book.top_up(wallet)
    rows = at_once(64, lambda number: book.record(cost(1)))
    assert Counter(row["status"] for row in rows) == {"authorized": 40, "denied": 24}
    assert book.money() == (25, 25, wallet, 15)
    served = [row for row in rows if row["status"] == "authorized"]
    at_once(40, lambda number: book.complete(served[number]))
    assert book.money() == (0, 0, wallet - 15, 0)
    book.is_sound()


def test_arrays_singles_and_ends_at_once_keep_the_books_together():
    book = PayingBook(credit=30, wallet=30)
    open_rows = [book.record(cost(1)) for _ in range(12)]

    def call(number):
        if number % 4 == 0:
            items = [NAMES | {"costs": [cost("0.5")], "customer_id": customer} for customer in (None, "other", None)]
            return metering.record_transactions(**book.who, transactions=items)
        if number % 4 == 1:
            return book.record(cost(2))
        return (book.complete if number % 4 == 2 else book.cancel)(open_rows[number // 2 % 12])

    book.grant(3, customer="other")
    outcomes = at_once(24, call)
    # The same call was completed and cancelled: one of them was too late.
    assert {type(outcome).__name__ for outcome in outcomes if isinstance(outcome, Exception)} <= {"WrongStatus"}
    credit, held, wallet, held_wallet = book.money()
    assert held <= credit
    assert Decimal(0) <= held_wallet <= wallet
    book.is_sound()


def test_a_call_that_is_completed_by_many_at_once_pays_once():
    book = PayingBook(credit=10)
    row = book.record(cost(4), idempotency_key="k")
    outcomes = at_once(8, lambda number: book.complete(row, idempotency_key="done"))
    assert {outcome["status"] for outcome in outcomes} == {"completed"}
    rows = at_once(8, lambda number: book.record(cost(4), idempotency_key="second"))
    assert len({row["id"] for row in rows}) == 1
    assert book.money() == (6, 4, 0, 0)
    book.is_sound()


def test_challenges_presentations_and_collections_at_once_hold_and_take_once():
    market = Market(credit=6, wallet=20)
    created = market.create("4")
    # The same challenge and others: one payment is open in the end, and the others gave way.
    replies = at_once(8, lambda number: market.ask(created, challenge(str(7 + number // 2))))
    assert {reply.status_code for reply in replies} == {200}
    payment = market.caller.get(f"{URL}/{created}").json()["payment"]
    open_ones = Payment.objects.filter(tenant_id=market.tenant_id, closed_at=None)
    assert [str(one.id) for one in open_ones] == [payment["id"]]
    assert sum(market.money()[1::2]) == Decimal(payment["amount"])
    # Presented wins, or cancelled does: never both.
    outcomes = at_once(2, lambda number: market.verify(payment) if number else market.caller.post(f"{URL}/{created}/cancel").status_code)
    assert (outcomes[0], outcomes[1]["isValid"]) in {(200, False), (409, True)}
    market.is_sound()
    # A collection without a presentation, and a cancellation: one of them wins.
    raced = market.pay(challenge("2"))
    path = f"{URL}/{raced['transactionId']}/cancel"
    outcomes = at_once(2, lambda number: market.settle(raced, "1") if number else market.caller.post(path).status_code)
    assert outcomes[1]["success"] or (outcomes[0], outcomes[1]["errorReason"]) == (200, "attestation_revoked")
    # Cancelled after it was collected, the call keeps what it cost.
    taken = Decimal(1) if outcomes[1]["success"] else Decimal(0)
    assert (sum(market.money()[::2]), market.total(raced["transactionId"])) == (26 - taken, taken)
    market.is_sound()
    before = sum(market.money()[::2])
    payment = market.pay(challenge("8"))
    settled = at_once(8, lambda number: market.settle(payment, "7.5" if number % 2 else "3"))
    reasons = Counter(outcome.get("errorReason") for outcome in settled)
    assert reasons == {None: 4, "settle_conflict": 4}
    [taken] = {outcome["amount"] for outcome in settled if outcome["success"]}
    assert sum(market.money()[::2]) == before - Decimal(taken)
    at_once(4, lambda number: services.post_collections(actor="job:test", request_id=str(number)))
    entry = WalletTransaction.objects.get(tenant=market.shop.tenant, reference_id=f"payment:{payment['id']}")
    assert entry.amount == Decimal(taken)
    market.is_sound()


def test_parts_of_one_payment_at_once_take_no_more_than_it_holds_and_each_key_once():
    book = PayingBook(credit=6, wallet=20)
    row = book.record(cost(10))
    its = {**book.who, "transaction_id": row["id"], "payment_id": book.payment(row).id}

    def capture(number):
        # Two calls with each key.
        return services.capture_payment(**its, amount=Decimal(1), final=False, idempotency_key=f"part-{number // 2}")

    outcomes = at_once(32, capture)
    assert Counter(getattr(one, "replayed", type(one).__name__) for one in outcomes) == {False: 10, True: 10, "PaymentExceeded": 12}
    assert (book.money(), book.payment(row).captured) == ((0, 0, 16, 0), 10)
    book.is_sound()


def test_parts_extensions_and_ends_at_once_keep_the_books_together():
    book = PayingBook(credit=20, wallet=40)
    rows = [book.record(cost(10)) for _ in range(4)]
    ends = [book.complete, book.cancel, lambda row: services.release_payment(**its(row), reason="r"), lambda row: None]

    def its(row):
        return {**book.who, "payment_id": book.payment(row).id}

    def call(number):
        row, later = rows[number % 4], book.payment(rows[number % 4]).hold_expires_at + timedelta(minutes=1 + number)
        asked = its(row) | {"transaction_id": row["id"], "idempotency_key": f"{number}"}
        if number // 4 == 2:
            return ends[number % 4](row)
        if number // 4 % 3 == 1:
            return services.extend_payment(**asked, expires_at=later)
        return services.capture_payment(**asked, amount=Decimal(3), final=False)

    outcomes = at_once(24, call)
    refused = {type(one).__name__ for one in outcomes if isinstance(one, Exception)}
    assert refused <= {"PaymentClosed", "PaymentExceeded", "InvalidValue"}, refused
    taken = sum(book.payment(row).captured for row in rows)
    assert sum(book.money()[::2]) == 60 - taken
    book.is_sound()
