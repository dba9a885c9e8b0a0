"""The floor of a wallet is decided by one database function, billing_floor_allows. Its copies are equal to it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from structlog.testing import capture_logs

from billing import services
from billing.errors import BelowFloor, FloorAboveBalance
from billing.imports import lookups
from billing.integrity.checks import find_violations
from billing.models import Policy, Wallet
from billing.selectors import floor_allows, plan_floor_allows
from kernel.ledger.errors import Insufficient, InvalidValue
from tests.paying.book import PayingBook, cost
from tests.replaced_rules import replace_rule

pytestmark = pytest.mark.django_db
STEP = Decimal("0.000000000000000001")
BALANCES = [Decimal(text) for text in ("-5", "-1", "0", "1", "5")]
FLOORS = [None, *BALANCES]
PAIRS = [(balance + change, floor) for balance in BALANCES for floor in FLOORS for change in (-STEP, Decimal(0), STEP)]


@pytest.fixture
def stricter_floor(db):
    """Another rule: a wallet may not stand on its floor, only above it."""
    replace_rule("billing_floor_allows", "floor IS NULL OR balance - held > floor")


@pytest.fixture
def floor_without_holds(db):
    """Another rule, by which a hold may be placed that can't be captured: what is held doesn't count."""
    replace_rule("billing_floor_allows", "floor IS NULL OR balance >= floor + 2")


def topup_and_floor(context):
    services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="start")
    services.record_transaction(**context, amount=Decimal(0), type="usage", reference_id="type")
    services.set_floor(**context, currency="USD", floor=Decimal(0))


def usage(amount, reference_id):
    return {"amount": Decimal(amount), "type": "usage", "reference_id": reference_id}


def test_a_single_posting_calls_the_function(context, stricter_floor):
    topup_and_floor(context)
    with pytest.raises(Insufficient):
        services.record_transaction(**context, **usage(5, "1"))
    assert services.record_transaction(**context, **usage(Decimal(5) - STEP, "2")).row.balance_after == STEP


def test_an_array_of_postings_calls_the_function(context, stricter_floor):
    topup_and_floor(context)
    first, second = services.record_transactions(**context, transactions=[usage(5, "1"), usage(4, "2")])
    assert isinstance(first, Insufficient)
    assert second.row.balance_after == 1


def test_a_reversal_calls_the_function(context, stricter_floor):
    original = services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="start").row
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    with pytest.raises(Insufficient):
        services.reverse_transaction(**context, transaction_id=original.id, reason_code="other")


def test_setting_a_floor_calls_the_function(context, stricter_floor):
    services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="start")
    with pytest.raises(FloorAboveBalance):
        services.set_floor(**context, currency="USD", floor=Decimal(5))
    with pytest.raises(InvalidValue):
        services.set_policy(**context, default_floor=Decimal(0))


def test_a_hold_calls_the_function(context, stricter_floor):
    topup_and_floor(context)
    hold = {"expires_at": datetime(2099, 1, 1, tzinfo=UTC), "reference_id": "h"}
    with pytest.raises(Insufficient):
        services.place_hold(**context, **hold, amount=Decimal(5))
    assert services.place_hold(**context, **hold, amount=Decimal(4)).row.held == 4


def test_a_capture_calls_the_function(context, floor_without_holds):
    """It is refused as any debit, and the hold stays; no call is repeated, and none answers that the ledger is busy."""
    topup_and_floor(context)
    hold = {"expires_at": datetime(2099, 1, 1, tzinfo=UTC), "reference_id": "h"}
    hold_id = services.place_hold(**context, **hold, amount=Decimal(4)).row.id
    for amount in (None, Decimal(4)):
        with pytest.raises(Insufficient) as refused:
            services.capture_hold(**context, hold_id=hold_id, amount=amount)
        facts = {"balance": 5, "held": 4, "available": 1, "requested": 4, "floor": 0, "currency": "USD"}
        assert refused.value.facts == facts
    assert services.capture_hold(**context, hold_id=hold_id, amount=Decimal(3)).row.balance == 2


def test_a_capture_of_a_payment_that_the_function_refuses_is_unpaid(floor_without_holds):
    book = PayingBook(wallet=5)
    row = book.record(cost(4))
    Wallet.objects.update(floor=Decimal(0))
    book.complete(row)
    assert (book.payment(row).unpaid, book.money()) == (4, (0, 0, 5, 0))


def test_the_integrity_check_calls_the_function(context, stricter_floor):
    services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="start")
    Wallet.objects.update(floor=Decimal(5))
    assert [violation.check.name for violation in find_violations(tenant_id=context["tenant_id"])] == ["billing_wallet_floor"]


def test_the_blockers_of_an_undo_call_the_function(context, stricter_floor):
    run = {**context, "request_id": "run:1"}
    services.record_transaction(**run, amount=Decimal(5), type="topup", reference_id="start")
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    assert lookups.wallets_below_floor_after_undo(tenant_id=context["tenant_id"], request_id="run:1") == [("USD", 0, 0, 0)]


@pytest.mark.parametrize(("balance", "floor"), PAIRS)
def test_the_plans_copy_is_equal(db, balance, floor):
    for held in (Decimal(0), STEP, Decimal(2)):
        wallet = {"balance": balance, "held": held, "floor": floor}
        assert plan_floor_allows(**wallet) == floor_allows(**wallet)


@pytest.mark.parametrize("floor", FLOORS)
def test_the_check_constraints_are_equal(tenant, floor):
    """They can't call the function: a constraint on it would keep migrations from replacing it."""

    def takes(write):
        try:
            with transaction.atomic():
                write()
                transaction.set_rollback(True)
        except IntegrityError:
            return False
        return True

    for available in [balance + change for balance in BALANCES for change in (-STEP, Decimal(0), STEP)]:
        for held in (Decimal(0), STEP, Decimal(7)):
            wallet = {"balance": available + held, "held": held, "floor": floor}
            assert takes(lambda wallet=wallet: Wallet.objects.create(tenant=tenant, currency="USD", **wallet)) == floor_allows(**wallet)
    opened = floor_allows(balance=Decimal(0), held=Decimal(0), floor=floor)
    assert takes(lambda: Policy.objects.create(tenant=tenant, default_floor=floor, updated_by="x")) == opened


def test_a_payment_on_a_wallet_that_is_not_there_calls_the_function(stricter_floor):
    """A new wallet with a floor of -10 may go down to it by the shipped rule, by this one only above it."""
    book = PayingBook()
    services.set_policy(**book.who, default_floor=Decimal(-10))
    assert book.record(cost(10))["status"] == "denied"
    assert book.record(cost(9))["status"] == "authorized"


def test_a_debit_beyond_what_a_payment_holds_calls_the_function(stricter_floor):
    book = PayingBook(wallet=5)
    row = book.record(cost(3))
    book.add_cost(row, 2)
    book.complete(row)
    assert book.payment(row).unpaid == 2


@pytest.fixture
def looser_floor(db):
    """A rule that allows what the constraint still refuses, as after a change that left the constraint behind."""
    replace_rule("billing_floor_allows", "true")


def test_a_constraint_that_was_left_behind_says_to_everybody_what_it_refuses(context, send, looser_floor):
    topup_and_floor(context)
    with capture_logs() as logs:
        reply = send("POST", "/v1/billing/transactions", {"amount": 6, "type": "usage", "reference_id": "1"})
    sentence = "The balance less what is held would be below the wallet's floor"
    assert (reply.status_code, reply.json()) == (402, {"detail": sentence})
    assert "billing_wallet_floor_check" in logs[0]["reason"]
    with pytest.raises(BelowFloor):
        services.place_hold(**context, amount=Decimal(6), expires_at=datetime(2099, 1, 1, tzinfo=UTC), reference_id="h")
    with pytest.raises(BelowFloor):
        services.set_floor(**context, currency="USD", floor=Decimal(6))
