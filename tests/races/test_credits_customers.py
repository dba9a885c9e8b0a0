"""Many threads at one customer: burn-down, holds, reinstatement, and the jobs twice at the same time."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from credits import services
from credits.errors import InsufficientCredit
from credits.models import Consumption, CreditTransaction, Grant, Hold
from kernel.base.errors import DomainError
from kernel.ledger.errors import Busy
from kernel.ledger.holds import HoldClosed
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ACME = {"customer_id": "acme", "currency": "USD"}


@pytest.fixture
def book():
    return Book(TenantFactory().id)


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def test_one_key_draws_once_however_many_ask(book):
    for _ in range(5):
        book.grant(10)
    drawn = at_once(20, lambda number: services.consume(**book.context, **ACME, amount=Decimal(25), idempotency_key="k"))
    assert len({(draw.row.id, draw.row.taken, len(draw.row.transactions)) for draw in drawn}) == 1
    assert sorted(draw.replayed for draw in drawn) == [False] + [True] * 19
    assert (Consumption.objects.count(), CreditTransaction.objects.filter(kind="consumption").count()) == (1, 3)
    book.check()


def test_burn_downs_at_once_take_no_more_than_there_is(book):
    for _ in range(10):
        book.grant(7)

    def drain(number: int) -> Decimal:
        taken = Decimal(0)
        while True:
            drawn = services.consume(**book.context, **ACME, amount=Decimal(3), partial=True)
            taken += drawn.row.taken
            if drawn.row.missing:
                return taken

    assert sum(at_once(8, drain)) == 70
    book.check()


def test_holds_at_once_reserve_no_more_than_there_is(book):
    for _ in range(4):
        book.grant(10)
    outcomes = at_once(16, lambda number: services.place_hold(**book.context, **ACME, amount=Decimal(6), expires_at=later()))
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 6
    assert all(isinstance(outcome, InsufficientCredit) for outcome in outcomes if isinstance(outcome, Exception))
    book.check()


def test_a_hold_ends_once_whether_captured_or_released(book):
    book.grant(10)
    hold_id = services.place_hold(**book.context, **ACME, amount=Decimal(6), expires_at=later()).row.id
    facts = {**book.context, "customer_id": "acme", "hold_id": hold_id}

    def end(number: int) -> Any:
        return services.capture_hold(**facts) if number % 2 else services.release_hold(**facts)

    outcomes = at_once(12, end)
    assert sum(isinstance(outcome, HoldClosed) for outcome in outcomes) == 6
    assert sum(outcome.is_new for outcome in outcomes if not isinstance(outcome, Exception)) == 1
    captured = Hold.objects.get().status == "captured"
    assert Grant.objects.get().balance == (4 if captured else 10)
    book.check()


def test_an_invoice_is_reinstated_once_however_many_ask(book):
    for _ in range(3):
        book.grant(10)
    services.consume(**book.context, **ACME, amount=Decimal(25), invoice_id="i")
    given = at_once(12, lambda number: services.reinstate(**book.context, customer_id="acme", invoice_id="i"))
    assert {reinstated.row.amount for reinstated in given} == {25}
    assert sorted(reinstated.replayed for reinstated in given) == [False] + [True] * 11
    assert sum(grant.balance for grant in Grant.objects.all()) == 30
    book.check()


def test_the_expiry_job_four_times_at_once_expires_each_grant_once(book):
    for _ in range(30):
        book.grant(10, effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))

    def expire(number: int) -> int:
        batches = services.expire_grants(actor="job:test", request_id=str(number))
        return sum(closing.is_new for batch in batches for closing in batch)

    assert sum(at_once(4, expire)) == 30
    assert CreditTransaction.objects.filter(kind="expiry").count() == 30
    book.check()


def test_the_job_of_recurring_grants_four_times_at_once_issues_each_period_once(book):
    with time_machine.travel(datetime(2026, 1, 15, tzinfo=UTC), tick=False):
        facts = {"name": "n", "unit_type": "CURRENCY", "amount": Decimal(10), "rollover_cap": Decimal(5), **ACME}
        orders = [services.create_recurring_grant(**book.context, **facts).row.id for _ in range(4)]

    def issue(number: int) -> int:
        return sum(len(rows) for rows in services.issue_due_grants(actor="job:test", request_id=str(number)))

    with time_machine.travel(datetime(2026, 4, 20, tzinfo=UTC), tick=False):
        assert sum(at_once(4, issue)) == 12
    for order in orders:
        assert list(Grant.objects.filter(recurring_grant_id=order).order_by("period").values_list("period", flat=True)) == [0, 1, 2, 3]
    book.check()


def test_one_key_orders_one_recurring_grant_however_many_ask(book):
    facts = {"name": "n", "unit_type": "CURRENCY", "amount": Decimal(10), **ACME}
    made = at_once(12, lambda number: services.create_recurring_grant(**book.context, **facts, idempotency_key="k"))
    assert len({recurring_grant.row.id for recurring_grant in made}) == 1
    assert sorted(recurring_grant.replayed for recurring_grant in made) == [False] + [True] * 11
    assert Grant.objects.count() == 1


def test_after_calls_of_eight_threads_every_check_passes(book):
    grants = [book.grant(50, cost_of_credit=Decimal(7)) for _ in range(4)]
    grants += [book.grant(50, effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))]

    def live(number: int) -> int:
        dice = random.Random(number)
        return sum(self_willed(book, grants, dice) for _ in range(25))

    done = at_once(8, live)
    assert not [outcome for outcome in done if isinstance(outcome, Exception)]
    assert sum(done) > 20
    book.check()


def self_willed(book: Book, grants: list[Any], dice: random.Random) -> bool:
    """One call of any kind; True if it wasn't refused."""
    amount = Decimal(dice.randint(1, 9))
    invoice = dice.choice(["i", "j", None])
    key = f"key-{dice.randint(1, 60)}"
    holds = list(Hold.objects.values_list("id", flat=True)) or [book.tenant_id]
    calls = [
        lambda: book.debit(dice.choice(grants), amount, invoice_id=invoice, idempotency_key=key),
        lambda: book.credit(dice.choice(grants), amount, invoice_id=invoice, idempotency_key=key),
        lambda: services.consume(**book.context, **ACME, amount=amount, invoice_id=invoice, idempotency_key=key),
        lambda: services.place_hold(**book.context, **ACME, amount=amount, expires_at=later()),
        lambda: services.capture_hold(**book.context, customer_id="acme", hold_id=dice.choice(holds), invoice_id=invoice),
        lambda: services.release_hold(**book.context, customer_id="acme", hold_id=dice.choice(holds)),
        lambda: services.reinstate(**book.context, customer_id="acme", invoice_id="i"),
        lambda: list(services.expire_grants(actor="job:test", request_id="")),
        lambda: list(services.expire_holds(actor="job:test", request_id="")),
    ]
    try:
        dice.choice(calls)()
    except Busy:
        # A deadlock would hide here: locks are taken in one order, so there is none.
        raise
    except DomainError:
        return False
    return True
