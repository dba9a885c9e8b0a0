"""What is decided after a wait for a lock is decided by what is true then."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
import time_machine
from django.db import transaction

from credits import services
from credits.models import CreditTransaction, Grant
from kernel.ledger.holds import HoldClosed
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.interleaving.harness import WAIT_SECONDS, Row, Sessions

pytestmark = pytest.mark.django_db(transaction=True)
ACME = {"customer_id": "acme", "currency": "USD"}
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def book() -> Book:
    return Book(TenantFactory().id)


@pytest.fixture
def sessions(settings) -> Iterator[Sessions]:
    settings.LEDGER_BATCHING = False
    opened = Sessions()
    yield opened
    opened.close()


def while_held(sessions: Sessions, book: Book, grant_id: Any, call: Callable[[], Any], meanwhile: Callable[[], Any]) -> Any:
    """What `call` replies that came to wait for a grant, and went on after `meanwhile` was done."""
    with sessions.holding(Row("credits_grant", book.tenant_id, grant_id)):
        waiting = sessions.begin(0, call)
        assert sessions.waits(waiting, sessions=1)
        meanwhile()
    return waiting.result()


def test_what_a_draw_under_way_takes_is_reinstated_whole_once(book, sessions):
    first, second = book.grant(70), book.grant(40)
    services.consume(**book.context, **ACME, amount=Decimal(10), invoice_id="inv")
    with sessions.holding(Row("credits_grant", book.tenant_id, second)):
        draw = sessions.begin(0, lambda: services.consume(**book.context, **ACME, amount=Decimal(100), invoice_id="inv"))
        assert sessions.waits(draw, sessions=1)
        reinstatement = sessions.begin(1, lambda: services.reinstate(**book.context, customer_id="acme", invoice_id="inv"))
        assert sessions.waits(reinstatement, sessions=2)
    assert draw.result().row.taken == 100
    assert (reinstatement.result().replayed, reinstatement.result().row.amount) == (False, 110)
    again = services.reinstate(**book.context, customer_id="acme", invoice_id="inv")
    assert (again.replayed, again.row.amount) == (True, 110)
    assert (book.balance(first), book.balance(second)) == (70, 40)
    book.check()


@pytest.mark.parametrize("amount", [None, Decimal(100)])
def test_a_capture_that_waited_past_the_holds_end_takes_nothing(book, sessions, amount):
    with time_machine.travel(NOW) as clock:
        first, second = book.grant(60), book.grant(60)
        hold = services.place_hold(**book.context, **ACME, amount=Decimal(100), expires_at=NOW + timedelta(minutes=5)).row.id

        def capture() -> Any:
            try:
                return services.capture_hold(**book.context, customer_id="acme", hold_id=hold, amount=amount)
            except HoldClosed as closed:
                return closed.facts["status"]

        def debit_behind_its_end() -> None:
            clock.shift(timedelta(minutes=10))
            assert book.debit(second, 60).is_new

        assert while_held(sessions, book, first, capture, debit_behind_its_end) == "expired"
        assert (book.balance(first), book.balance(second)) == (60, 0)
    book.check()


def test_a_draw_that_waited_sees_credit_that_was_given_meanwhile(book, sessions):
    empty = book.grant(5, priority=0)
    book.debit(empty, 5)
    full = book.grant(60, priority=50)

    def draw() -> Any:
        return services.consume(**book.context, **ACME, amount=Decimal(20))

    drawn = while_held(sessions, book, full, draw, lambda: book.credit(empty, 10))
    assert [(row["grant_id"], row["amount"]) for row in drawn.row.transactions] == [(empty, 10), (full, 10)]
    book.check()


def test_a_draw_that_waited_sees_a_grant_that_was_made_meanwhile(book, sessions):
    full = book.grant(60, priority=50)
    made = []

    def draw() -> Any:
        return services.consume(**book.context, **ACME, amount=Decimal(20))

    drawn = while_held(sessions, book, full, draw, lambda: made.append(book.grant(10, priority=0)))
    assert [(row["grant_id"], row["amount"]) for row in drawn.row.transactions] == [(made[0], 10), (full, 10)]


def test_a_draw_locks_a_grant_that_was_made_while_it_waited_before_it_decides(book, sessions):
    full = book.grant(60, priority=50)
    debited, may_commit = Event(), Event()

    def debit(grant_id: Any) -> None:
        with transaction.atomic():
            book.debit(grant_id, 10)
            debited.set()
            assert may_commit.wait(WAIT_SECONDS)

    with sessions.holding(Row("credits_grant", book.tenant_id, full)):
        draw = sessions.begin(0, lambda: services.consume(**book.context, **ACME, amount=Decimal(20)))
        assert sessions.waits(draw, sessions=1)
        made = book.grant(10, priority=0)
        debit_under_way = sessions.begin(1, lambda: debit(made))
        assert debited.wait(WAIT_SECONDS)
    assert sessions.waits(draw, sessions=1)
    may_commit.set()
    debit_under_way.result()
    assert [(row["grant_id"], row["amount"]) for row in draw.result().row.transactions] == [(full, 20)]
    book.check()


def test_no_balance_of_the_past_is_below_zero_where_the_services_clock_steps_back(book):
    grant_id = book.grant(10)
    book.credit(grant_id, 10)
    # Of the application alone: the database's clock is its own.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: NOW - timedelta(days=300))
        book.debit(grant_id, 20)
    rows = CreditTransaction.objects.filter(grant_id=grant_id).order_by("entry_number")
    assert [row.occurred_at for row in rows] == [row.created_at for row in rows] == sorted(row.created_at for row in rows)
    assert Grant.objects.get().balance == 0
