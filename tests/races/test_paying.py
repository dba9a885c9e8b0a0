"""Many buyers at once on one customer's money: what is sold is what there was money for."""

from collections import Counter
from decimal import Decimal

import pytest

from metering.services import transactions
from tests.paying.book import NAMES, PayingBook, cost
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_64_buyers_with_money_for_40_exactly_40_are_served():
    book = PayingBook(credit=25, wallet=15)
    rows = at_once(64, lambda number: book.record(cost(1)))
    assert Counter(row["status"] for row in rows) == {"authorized": 40, "denied": 24}
    assert book.money() == (25, 25, 15, 15)
    served = [row for row in rows if row["status"] == "authorized"]
    at_once(40, lambda number: book.complete(served[number]))
    assert book.money() == (0, 0, 0, 0)
    book.is_sound()


def test_arrays_singles_and_ends_at_once_keep_the_books_together():
    book = PayingBook(credit=30, wallet=30)
    open_rows = [book.record(cost(1)) for _ in range(12)]

    def call(number):
        if number % 4 == 0:
            items = [NAMES | {"costs": [cost("0.5")], "customer_id": customer} for customer in (None, "other", None)]
            return transactions.record_transactions(**book.who, transactions=items)
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
