"""Postings at the boundaries of each rule, singly and in arrays of more than six: both forms must decide the same."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from credits import services
from credits.errors import GrantDrawnOn, GrantHeld, InsufficientCredit
from credits.models import CreditTransaction, Grant, HoldEntry, HoldLine
from kernel.ledger import queries
from tests.credits.book import Book
from tests.factories import TenantFactory

STEP = Decimal("0.000000000000000001")
LAST_DAY = date(2026, 6, 1)
# Below and above the number from which credits_post uses its array form.
SIZES = pytest.mark.parametrize("size", [1, 6, 7, 20])


def record(book, size, grant_id, type_, amount="1", **facts):
    items = [{"grant_id": grant_id, "type": type_, "amount": Decimal(amount), **facts}] * size
    return services.record_transactions(**book.context, transactions=items)


def outcomes(replies):
    words = {False: "posted", True: "replayed"}
    return [type(reply).__name__ if isinstance(reply, Exception) else words[reply.replayed] for reply in replies]


@SIZES
def test_credits_for_an_invoice_give_back_no_more_than_it_took(book, size):
    grant_id = book.grant(100)
    book.debit(grant_id, 95, invoice_id="i")
    replies = record(book, size, grant_id, "CREDIT", "50", invoice_id="i")
    assert outcomes(replies) == ["posted", *["MoreThanTaken"] * (size - 1)]
    assert book.balance(grant_id) == 55


@SIZES
@pytest.mark.parametrize(
    ("moment", "left"),
    [(datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC), True), (datetime(2026, 6, 2, tzinfo=UTC), False)],
)
def test_credit_on_the_last_day_stays_and_on_the_next_expires_at_once(book, size, moment, left):
    with time_machine.travel(datetime(2026, 5, 1, tzinfo=UTC)):
        grant_id = book.grant(10, expiry_date=LAST_DAY)
    with time_machine.travel(moment, tick=False):
        assert outcomes(record(book, size, grant_id, "CREDIT")) == ["posted"] * size
    assert book.balance(grant_id) == (10 + size if left else 0)
    book.check()


@SIZES
def test_debits_take_a_grant_to_zero_and_no_further(book, size):
    grant_id = book.grant(size)
    assert outcomes(record(book, size, grant_id, "DEBIT")) == ["posted"] * size
    assert outcomes(record(book, size, grant_id, "DEBIT")) == ["InsufficientCredit"] * size
    book.check()


@SIZES
def test_debits_on_the_last_day_are_taken_and_on_the_next_refused(book, size):
    with time_machine.travel(datetime(2026, 5, 1, tzinfo=UTC)):
        grant_id = book.grant(100, expiry_date=LAST_DAY)
    with time_machine.travel(datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC), tick=False):
        assert outcomes(record(book, size, grant_id, "DEBIT")) == ["posted"] * size
    with time_machine.travel(datetime(2026, 6, 2, tzinfo=UTC), tick=False):
        assert outcomes(record(book, size, grant_id, "DEBIT")) == ["GrantExpired"] * size


def test_credits_to_a_grant_without_a_last_day_are_written_by_the_array_form(book):
    grant_id = book.grant(10)
    assert outcomes(record(book, 8, grant_id, "CREDIT")) == ["posted"] * 8
    rows = list(CreditTransaction.objects.filter(grant_id=grant_id, kind="credit").order_by("entry_number"))
    # The array form takes the time once, and adds a microsecond for each posting.
    assert [(row.created_at - rows[0].created_at).microseconds for row in rows] == list(range(8))


@pytest.mark.django_db
def test_an_overdue_hold_of_another_tenants_grant_with_the_same_id_releases_nothing():
    shared = "01900000-0000-7000-8000-000000000001"
    books = [Book(TenantFactory().id) for _ in range(2)]
    acme = {"customer_id": "acme", "currency": "USD", "amount": Decimal(10)}
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC)) as clock:
        for book, end in zip(books, (date(2026, 6, 2), date(2026, 6, 9)), strict=True):
            book.grant(10, grant_id=shared)
            until = datetime(end.year, end.month, end.day, tzinfo=UTC)
            services.place_hold(**book.context, **acme, expires_at=until)
        clock.move_to(datetime(2026, 6, 5, tzinfo=UTC))
        assert books[0].debit(shared, 10).is_new
        [refusal] = services.record_transactions(
            **books[1].context, transactions=[{"grant_id": shared, "type": "DEBIT", "amount": Decimal(1)}]
        )
        assert refusal.facts["held"] == 10
        assert Grant.objects.get(tenant_id=books[1].tenant_id).held == 10


def test_the_first_day_comes_before_the_age_of_a_grant_in_burn_down_order(book):
    with time_machine.travel(datetime(2026, 6, 5, tzinfo=UTC)):
        older = book.grant(10, effective_date=date(2026, 6, 2))
        younger = book.grant(10, effective_date=date(2026, 6, 1))
        drawn = services.consume(**book.context, customer_id="acme", currency="USD", amount=Decimal(15))
    assert [row["grant_id"] for row in drawn.row.transactions] == [younger, older]


def test_posting_and_plan_agree_on_what_is_available(book):
    with time_machine.travel(datetime(2026, 6, 5, tzinfo=UTC)) as clock:
        grant_id = book.grant(10)
        hold = {"customer_id": "acme", "currency": "USD", "amount": Decimal(4)}
        services.place_hold(**book.context, **hold, expires_at=datetime(2026, 6, 6, tzinfo=UTC))
        asked = "SELECT sum(available) AS available FROM credits_preview_draw(%s, 'acme', 'USD', NULL, 100)"
        assert queries.fetch_rows(asked, [book.tenant_id])[0].available == 6
        assert outcomes(record(book, 1, grant_id, "DEBIT", "6.1")) == ["InsufficientCredit"]
        clock.move_to(datetime(2026, 6, 6, tzinfo=UTC))
        assert queries.fetch_rows(asked, [book.tenant_id])[0].available == 10
        assert outcomes(record(book, 1, grant_id, "DEBIT", "10")) == ["posted"]


def test_a_credit_that_the_balance_can_not_hold_is_refused_for_the_balance_not_for_its_own_digits(api, book):
    grant = book.grant("9" * 18)
    for _ in range(99):
        book.credit(grant, "9" * 18)
    book.credit(grant, 99)
    reply = api.post("/credit-transactions", {"grantId": str(grant), "type": "CREDIT", "amount": "1"})
    assert reply.status_code == 400
    [detail] = reply.json()["error"]["details"]
    assert (detail["field"], detail["reason"]) == ("amount", "balance_too_large")
    assert "balance" in detail["message"]
    assert book.balance(grant) == 99_999_999_999_999_999_999


@SIZES
def test_where_the_clock_stepped_back_entries_of_a_grant_are_a_microsecond_apart(book, size):
    with time_machine.travel(datetime(2026, 6, 5, tzinfo=UTC), tick=False) as clock:
        grant_id = book.grant(100, effective_date=date(2026, 6, 1))
        clock.move_to(datetime(2026, 6, 4, tzinfo=UTC))
        assert outcomes(record(book, size, grant_id, "DEBIT")) == ["posted"] * size
    rows = list(CreditTransaction.objects.filter(grant_id=grant_id).order_by("entry_number").values_list("created_at", flat=True))
    assert [row - rows[0] for row in rows] == [timedelta(microseconds=number) for number in range(size + 1)]


def test_where_the_clock_stepped_back_changes_of_holds_are_a_microsecond_apart(book):
    hold = {"customer_id": "acme", "currency": "USD", "amount": Decimal(4), "expires_at": datetime(2026, 7, 1, tzinfo=UTC)}
    with time_machine.travel(datetime(2026, 6, 5, tzinfo=UTC), tick=False) as clock:
        grant_id = book.grant(10, effective_date=date(2026, 6, 1))
        first = services.place_hold(**book.context, **hold)
        clock.move_to(datetime(2026, 6, 4, tzinfo=UTC))
        services.place_hold(**book.context, **hold)
        services.release_hold(**book.context, customer_id="acme", hold_id=first.row.id)
    rows = list(HoldEntry.objects.filter(grant_id=grant_id).order_by("created_at"))
    # A release is dated after what is captured at the same moment.
    assert [(row.kind, row.created_at - rows[0].created_at) for row in rows] == [
        ("placed", timedelta(0)),
        ("placed", timedelta(microseconds=1)),
        ("released", timedelta(microseconds=3)),
    ]
    assert [row.held_after for row in rows] == [4, 8, 4]


@pytest.mark.parametrize("count", [1, 6, 7])
def test_what_an_invoice_took_of_voided_grants_is_given_back_and_debited_again(book, count):
    grants = [book.grant(10) for _ in range(count)]
    services.consume(**book.context, customer_id="acme", currency="USD", amount=Decimal(5 + 10 * (count - 1)), invoice_id="i")
    for grant_id in grants:
        services.void_grant(**book.context, grant_id=grant_id, reason="r")
    reinstated = services.reinstate(**book.context, customer_id="acme", invoice_id="i")
    assert len(reinstated.row.transactions) == count
    assert [book.balance(grant_id) for grant_id in grants] == [0] * count
    assert all(
        book.entries(grant_id)[-2:] == [("reinstatement", "CREDIT", amount), ("void", "DEBIT", amount)]
        for grant_id, amount in zip(grants, [10] * (count - 1) + [5], strict=True)
    )
    book.check()


def test_exactly_what_there_is_can_be_drawn_and_held_and_no_more(book):
    acme = {"customer_id": "acme", "currency": "USD"}
    later = {"expires_at": datetime.now(UTC) + timedelta(days=1)}
    grant_id = book.grant(10, effective_date=datetime.now(UTC).date())
    for call, more in ((services.consume, {}), (services.place_hold, later)):
        with pytest.raises(InsufficientCredit):
            call(**book.context, **acme, **more, amount=10 + STEP)
    services.consume(**book.context, **acme, amount=Decimal(4))
    # The second hold adds to the first.
    services.place_hold(**book.context, **acme, **later, amount=Decimal(1))
    services.place_hold(**book.context, **acme, **later, amount=Decimal(2))
    services.consume(**book.context, **acme, amount=Decimal(3))
    for call, more in ((services.consume, {}), (services.place_hold, later)):
        with pytest.raises(InsufficientCredit):
            call(**book.context, **acme, **more, amount=STEP)
    row = Grant.objects.get(id=grant_id)
    assert (row.balance, row.held) == (3, 3)
    book.check()


def test_a_grant_that_is_held_and_was_never_drawn_on_can_be_neither_deleted_nor_voided(book):
    grant_id = book.grant(10)
    hold = {"customer_id": "acme", "currency": "USD", "expires_at": datetime.now(UTC) + timedelta(days=1)}
    placed = services.place_hold(**book.context, **hold, amount=STEP)
    with pytest.raises(GrantDrawnOn):
        services.delete_grant(**book.context, grant_id=grant_id)
    with pytest.raises(GrantHeld):
        services.void_grant(**book.context, grant_id=grant_id, reason="r")
    services.release_hold(**book.context, customer_id="acme", hold_id=placed.row.id)
    services.delete_grant(**book.context, grant_id=grant_id)
    assert Grant.objects.get(id=grant_id).status == "deleted"


@pytest.mark.parametrize(("day", "left"), [(LAST_DAY, 10), (LAST_DAY + timedelta(days=1), 0)])
def test_what_a_hold_releases_stays_on_the_last_day_and_expires_on_the_next(book, day, left):
    with time_machine.travel(datetime(2026, 5, 1, tzinfo=UTC)) as clock:
        grants = [book.grant(10, expiry_date=LAST_DAY), book.grant(10)]
        hold = {"customer_id": "acme", "currency": "USD", "expires_at": datetime(2026, 7, 1, tzinfo=UTC)}
        placed = services.place_hold(**book.context, **hold, amount=Decimal(15))
        clock.move_to(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC))
        services.release_hold(**book.context, customer_id="acme", hold_id=placed.row.id)
    assert [book.balance(grant_id) for grant_id in grants] == [left, 10]
    book.check()


@SIZES
def test_a_used_key_is_a_replay_though_the_same_posting_would_be_refused_now(book, size):
    grant_id = book.grant(size)
    items = [{"grant_id": grant_id, "type": "DEBIT", "amount": Decimal(1), "idempotency_key": f"k{number}"} for number in range(size)]
    assert outcomes(services.record_transactions(**book.context, transactions=items)) == ["posted"] * size
    assert outcomes(services.record_transactions(**book.context, transactions=items)) == ["replayed"] * size
    assert book.balance(grant_id) == 0


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("call", ["debit", "eight debits", "consume", "hold"])
def test_a_hold_is_overdue_from_its_very_moment(book, call, is_over):
    end = datetime(2026, 6, 6, tzinfo=UTC)
    acme = {"customer_id": "acme", "currency": "USD"}
    with time_machine.travel(datetime(2026, 6, 5, tzinfo=UTC), tick=False) as clock:
        grant_id = book.grant(16)
        services.place_hold(**book.context, **acme, amount=Decimal(4), expires_at=end)
        # In a test the database's clock goes on by a microsecond each time that it is asked, from here.
        clock.move_to(end - timedelta(microseconds=0 if is_over else 100))
        calls = {
            "debit": lambda: record(book, 1, grant_id, "DEBIT", "16")[0],
            "eight debits": lambda: record(book, 8, grant_id, "DEBIT", "2")[7],
            "consume": lambda: services.consume(**book.context, **acme, amount=Decimal(16)),
            "hold": lambda: services.place_hold(**book.context, **acme, amount=Decimal(16), expires_at=end + timedelta(days=1)),
        }
        try:
            reply = calls[call]()
        except InsufficientCredit as refusal:
            reply = refusal
    assert outcomes([reply]) == ["posted" if is_over else "InsufficientCredit"]
    book.check()


def test_a_grant_that_is_wholly_held_is_left_out_of_draws_and_holds(book):
    acme = {"customer_id": "acme", "currency": "USD"}
    later = {"expires_at": datetime.now(UTC) + timedelta(days=1)}
    held, free = book.grant(10, priority=0), book.grant(10, priority=9)
    services.place_hold(**book.context, **acme, **later, amount=Decimal(10))
    drawn = services.consume(**book.context, **acme, amount=Decimal(3))
    assert [row["grant_id"] for row in drawn.row.transactions] == [free]
    placed = services.place_hold(**book.context, **acme, **later, amount=Decimal(7))
    assert list(HoldLine.objects.filter(hold_id=placed.row.id).values_list("grant_id", flat=True)) == [free]
    assert (book.balance(held), book.balance(free)) == (10, 7)
    book.check()
