"""Calls on holds of one wallet at once: it reserves what it has, each hold ends once, and no capture counts twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing import services
from billing.integrity.checks import find_violations
from billing.models import Transaction, Wallet, WalletHold, WalletHoldEntry
from kernel.ledger.errors import Insufficient
from kernel.ledger.holds import HoldClosed, HoldExceeded
from tests.factories import TenantFactory
from tests.races.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def context():
    its = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
    services.record_transaction(**its, amount=Decimal(400), type="topup", reference_id="funds")
    return its


def place(context: dict[str, Any], reference: str, amount: int = 10) -> Any:
    end = datetime.now(UTC) + timedelta(hours=1)
    return services.place_hold(**context, amount=Decimal(amount), expires_at=end, reference_id=reference)


def refused(outcomes: list[Any], kind: type[Exception]) -> int:
    assert all(isinstance(outcome, kind) for outcome in outcomes if isinstance(outcome, Exception)), outcomes
    return sum(isinstance(outcome, kind) for outcome in outcomes)


def test_64_threads_on_a_wallet_with_money_for_40_holds_place_exactly_40(context):
    assert refused(at_once(64, lambda number: place(context, str(number))), Insufficient) == 24
    assert (Wallet.objects.get().held, WalletHold.objects.count()) == (400, 40)
    assert list(find_violations()) == []


def test_debits_and_holds_at_once_never_take_more_than_there_is(context):
    services.set_floor(**context, currency="USD", floor=Decimal(0))

    def spend(number: int) -> Any:
        if number % 2:
            return place(context, str(number))
        return services.record_transaction(**context, amount=Decimal(10), type="usage", reference_id=str(number))

    assert refused(at_once(64, spend), Insufficient) == 24
    wallet = Wallet.objects.get()
    assert wallet.balance - wallet.held == 0
    assert list(find_violations()) == []


def test_captures_at_once_take_no_more_than_the_hold_and_a_key_counts_once(context):
    hold_id = place(context, "h", 100).row.id

    def capture(number: int) -> Any:
        return services.capture_hold(**context, hold_id=hold_id, amount=Decimal(10), final=False, reference_id=str(number % 16))

    outcomes = at_once(48, capture)
    assert refused(outcomes, HoldExceeded) == 18
    assert sum(not outcome.replayed for outcome in outcomes if not isinstance(outcome, Exception)) == 10
    assert (Wallet.objects.get().balance, Wallet.objects.get().held) == (300, 0)
    assert Transaction.objects.filter(type="usage").count() == 10
    assert list(find_violations()) == []


def test_a_hold_ends_once_whether_captured_or_released(context):
    hold_id = place(context, "h").row.id

    def end(number: int) -> Any:
        return services.capture_hold(**context, hold_id=hold_id) if number % 2 else services.release_hold(**context, hold_id=hold_id)

    outcomes = at_once(12, end)
    assert refused(outcomes, HoldClosed) == 6
    assert sum(not outcome.replayed for outcome in outcomes if not isinstance(outcome, Exception)) == 1
    assert Wallet.objects.get().balance == (390 if WalletHold.objects.get().status == "captured" else 400)
    assert list(find_violations()) == []


def test_one_key_places_one_hold_and_extends_once(context):
    assert len({outcome.row.id for outcome in at_once(16, lambda number: place_at(context))}) == 1
    hold_id = WalletHold.objects.get().id
    extension = {"hold_id": hold_id, "expires_at": datetime(2099, 1, 2, tzinfo=UTC), "reference_id": "e"}
    outcomes = at_once(16, lambda number: services.extend_hold(**context, **extension))
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert WalletHoldEntry.objects.filter(kind="extended").count() == 1
    assert list(find_violations()) == []


def place_at(context: dict[str, Any]) -> Any:
    return services.place_hold(**context, amount=Decimal(7), expires_at=datetime(2099, 1, 1, tzinfo=UTC), reference_id="k")
