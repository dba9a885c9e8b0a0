"""Many threads at one grant: one key, one balance, one reversal."""

from decimal import Decimal
from typing import Any

import pytest

from credits import services
from credits.errors import InsufficientCredit
from credits.models import CreditTransaction
from kernel.ledger.errors import AlreadyReversed
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book():
    return Book(TenantFactory().id)


def test_forty_threads_with_one_key_make_one_transaction_and_get_the_same_reply(book):
    grant_id = book.grant(1000)
    replies = at_once(40, lambda number: book.debit(grant_id, 10, idempotency_key="k"))
    facts = {(row.id, row.amount, row.balance_after, row.entry_number, row.created_at) for row in (reply.row for reply in replies)}
    assert len(facts) == 1
    assert sorted(reply.replayed for reply in replies) == [False] + [True] * 39
    assert book.balance(grant_id) == 990
    book.check()


def test_one_key_on_two_grants_at_once_is_one_transaction(book):
    grants = [book.grant(1000), book.grant(1000)]
    at_once(16, lambda number: book.debit(grants[number % 2], 10, idempotency_key="k"))
    assert CreditTransaction.objects.filter(idempotency_key="k").count() == 1
    book.check()


def test_sixteen_threads_drain_a_grant_and_never_below_zero(book):
    grant_id = book.grant(100)

    def drain(number: int) -> Decimal:
        taken = Decimal(0)
        try:
            while True:
                taken += book.debit(grant_id, 3).row.amount
        except InsufficientCredit as refusal:
            assert refusal.facts["balance"] == 1
            return taken

    assert sum(at_once(16, drain)) == 99
    assert book.balance(grant_id) == 1
    book.check()


def test_an_invoice_gives_back_once_however_many_ask(book):
    grant_id = book.grant(100)
    book.debit(grant_id, 30, invoice_id="i")
    outcomes = at_once(16, lambda number: book.credit(grant_id, 10, invoice_id="i"))
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 3
    assert book.balance(grant_id) == 100


def test_a_transaction_is_reversed_once_however_many_ask(book):
    row = book.debit(book.grant(100), 30).row
    outcomes = at_once(
        16, lambda number: services.reverse_transaction(**book.context, transaction_id=row.id, reason="r", idempotency_key=f"k{number}")
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(refused) == 15
    assert all(isinstance(error, AlreadyReversed) for error in refused)
    book.check()


def test_arrays_that_name_the_same_grants_in_opposite_orders_do_not_deadlock(book):
    grants = [book.grant(1000) for _ in range(6)]

    def post(number: int) -> list[Any]:
        order = grants if number % 2 else grants[::-1]
        items = [{"grant_id": grant_id, "type": "DEBIT", "amount": Decimal(1)} for grant_id in order]
        return [services.record_transactions(**book.context, transactions=items) for _ in range(5)]

    for outcome in at_once(8, post):
        assert not isinstance(outcome, Exception), outcome
    assert {book.balance(grant_id) for grant_id in grants} == {Decimal(960)}
    book.check()
