"""A payment is captured in parts, extended and released by calls of its own; what was captured is what its transaction cost."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

import billing.services
import credits.services
from metering.paying.errors import HoldOfPaymentEnded
from metering.paying.models import Payment, PaymentCall
from metering.paying.services import capture_payment
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.paying.book import PayingBook, cost
from tests.paying.shop import URL, Market, challenge
from tests.paying.test_prepaid import money

pytestmark = pytest.mark.django_db


class Stream(PayingBook):
    """A call of 10 USD that prepays: 6 of the credits are held, and 4 of the wallet."""

    def __init__(self, **policy):
        super().__init__(credit=6, wallet=20, **policy)
        self.caller = Caller(IssuedKeyFactory(tenant=self.tenant))
        self.row = self.record(cost(10))
        self.url = f"{URL}/{self.row['id']}/payments/{self.paid.id}"

    @property
    def paid(self):
        return self.payment(self.row)

    def send(self, call, key=None, url=None, **body):
        return self.caller.post(f"{url or self.url}/{call}", body, **({"Idempotency-Key": key} if key else {}))

    def part(self, amount, key, **more):
        return self.send("capture", key, amount=amount, final=False, **more)

    def total(self):
        return sum((amount for amount, _, _ in self.active(self.row)), Decimal(0))


@pytest.fixture
def stream():
    return Stream()


def test_a_payment_is_captured_in_parts_and_the_rest_stays_held(stream):
    first = stream.part("2.5", "a").json()
    assert (first["status"], first["protocolMetadata"]["capturedAmount"][:4], first["protocolMetadata"]["heldAmount"][:4]) == (
        "authorized",
        "2.50",
        "7.50",
    )
    assert stream.money() == money("3.5", "3.5", 20, 4)
    stream.part("5", "b")
    # The credits are used up, and what they lack is the wallet's.
    assert (stream.money(), stream.paid.captured, stream.total()) == (money(0, 0, "18.5", "2.5"), Decimal("7.5"), 10)
    again = stream.part("2.5", "a")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first, "true")
    stream.is_sound()
    last = stream.send("capture", amount="1").json()
    assert (last["status"], last["protocolMetadata"]["heldAmount"][:1], last["completedAt"] is None) == ("captured", "0", False)
    # What was captured is the cost, in place of the estimate.
    assert (stream.money(), stream.total()) == (money(0, 0, "17.5", 0), Decimal("8.5"))
    assert stream.send("capture", amount="1").headers["Idempotent-Replayed"] == "true"
    stream.complete(stream.row)
    assert (stream.money(), stream.paid.captured, stream.total()) == (money(0, 0, "17.5", 0), Decimal("8.5"), Decimal("8.5"))
    stream.is_sound()


@pytest.mark.parametrize(
    ("ending", "left", "captured", "total"),
    [
        ("success", (2, 0, 20, 0), 4, 4),
        ("error", (2, 0, 20, 0), 4, 4),
        ("cancel", (2, 0, 20, 0), 4, 4),
        ("release", (2, 0, 20, 0), 4, 4),
        ("expire", (2, 0, 20, 0), 4, 4),
        # What is known to be spent is taken too, or is less than what was taken.
        ("7", (0, 0, 19, 0), 7, 7),
        ("1", (2, 0, 20, 0), 4, 4),
    ],
)
def test_what_was_captured_in_parts_is_the_cost_however_the_call_ends(stream, ending, left, captured, total):
    stream.part("4", "a")
    if ending == "cancel":
        stream.cancel(stream.row)
    elif ending == "expire":
        stream.move_clock(stream.paid)
    elif ending == "release":
        for _ in range(2):
            assert stream.send("release", reason="enough").json()["status"] == "captured"
    elif ending.isdigit():
        stream.add_cost(stream.row, ending)
    if ending != "cancel":
        stream.complete(stream.row, ending if ending == "error" else "success")
    assert (stream.money(), stream.paid.status, stream.paid.captured, stream.total()) == (money(*left), "captured", captured, total)
    stream.is_sound()


def test_what_was_captured_stays_a_cost_beside_the_payment_of_a_402():
    stream = Market(holds_estimates=True)
    row = stream.record(cost(10))
    paid = stream.payment(row)
    capture_payment(**stream.who, transaction_id=row["id"], payment_id=paid.id, amount=Decimal(4), final=False, idempotency_key="a")
    payment = stream.ask(row["id"], challenge("3")).json()["payment"]
    stream.settle(payment, "2")
    stream.complete(row)
    assert (stream.total(row["id"]), stream.money()) == (6, money(0, 0, 20, 0))
    stream.is_sound()


def test_what_can_not_be_captured_is_refused_and_moves_nothing(stream):
    assert stream.part("4", None).status_code == 400
    stream.part("4", "a")
    conflict = stream.part("5", "a")
    assert (conflict.status_code, "amount" in conflict.content.decode()) == (409, True)
    exceeded = stream.part("6.000000000000000001", "b")
    assert exceeded.json()["message"] == f"Payment {stream.paid.id} holds 6, less than 6.000000000000000001"
    for amount in ("0", "-1", "1e3", "NaN", "1" * 40):
        assert stream.part(amount, "c").status_code == 400
    other = Caller(IssuedKeyFactory())
    assert other.post(f"{stream.url}/capture", {}).status_code == 404
    assert stream.send("capture", url=stream.url.replace(str(stream.row["id"]), str(stream.record(cost(1))["id"]))).status_code == 404
    assert Caller(IssuedKeyFactory(tenant=stream.tenant, scopes=["metering:read"])).post(f"{stream.url}/capture", {}).status_code == 403
    assert (stream.paid.captured, PaymentCall.objects.count()) == (4, 1)
    stream.move_clock(stream.paid)
    late = stream.part("1", "d")
    assert (late.status_code, late.json()["message"]) == (409, f"Payment {stream.paid.id} is expired already")
    assert stream.part("4", "a").headers["Idempotent-Replayed"] == "true"
    stream.is_sound()


def test_a_hold_that_was_ended_by_itself_is_made_up_for_or_refused(stream):
    [hold] = [leg for leg in stream.paid.legs.all() if leg.kind == "wallet"]
    billing.services.release_hold(**stream.who, hold_id=hold.hold_id)
    assert stream.part("7", "a").status_code == 200
    assert stream.money() == money(0, 0, 19, 0)
    billing.services.record_transaction(**stream.who, type="usage", reference_id="other", amount=Decimal(18))
    refused = stream.part("2", "b")
    assert (refused.status_code, "ended by itself" in refused.json()["message"]) == (409, True)
    its = {"transaction_id": stream.row["id"], "payment_id": stream.paid.id}
    with pytest.raises(HoldOfPaymentEnded):
        capture_payment(**stream.who, **its, amount=Decimal(2))
    assert stream.send("extend", "c", expiresAt=(timezone.now() + timedelta(days=2)).isoformat()).status_code == 409
    assert (stream.paid.captured, stream.money()) == (7, money(0, 0, 1, 0))
    stream.is_sound()


def test_a_payment_is_extended_within_the_longest_hold(stream):
    later = (stream.paid.hold_expires_at + timedelta(hours=1)).isoformat()
    first = stream.send("extend", "x", expiresAt=later)
    assert first.status_code == 200, first.content
    again = stream.send("extend", "x", expiresAt=later)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert stream.send("extend", expiresAt=later).status_code == 400
    assert "later than" in stream.send("extend", "y", expiresAt=later).json()["message"][0]
    stream.is_sound()
    assert stream.send("extend", "x", expiresAt=stream.paid.created_at.isoformat()).status_code == 409
    credits.services.set_policy(tenant_id=stream.tenant_id, actor="command:test", request_id="", longest_hold_seconds=100_000)
    far = (stream.paid.created_at + timedelta(seconds=100_001)).isoformat()
    assert "longest time" in stream.send("extend", "z", expiresAt=far).json()["message"][0]
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=30)):
        assert stream.part("4", "a").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=25, minutes=1)):
        assert stream.part("4", "b").status_code == 409
        assert stream.send("extend", "w", expiresAt=(timezone.now() + timedelta(minutes=1)).isoformat()).status_code == 409


def test_the_payment_of_a_402_is_extended_but_collected_once_by_whom_it_pays():
    market = Market()
    payment = market.pay()
    url = f"{URL}/{payment['transactionId']}/payments/{payment['id']}"
    assert market.caller.post(f"{url}/capture", {}).json()["message"].startswith(f"Payment {payment['id']} is collected by")
    market.verify(payment)
    assert market.caller.post(f"{url}/release", {}).status_code == 409
    later = (Payment.objects.get(id=payment["id"]).hold_expires_at + timedelta(hours=1)).isoformat()
    extended = market.caller.post(f"{url}/extend", {"expiresAt": later}, **{"Idempotency-Key": "x"}).json()
    assert extended["status"] == "presented", extended
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        assert market.settle(payment, "4")["success"]
        assert market.settle(payment, "5")["errorReason"] == "settle_conflict"
    market = Market(pay_to="other")
    other = market.pay(challenge("1", payTo="other"))
    assert market.caller.post(f"{URL}/{other['transactionId']}/payments/{other['id']}/release", {}).json()["status"] == "released"
    market.is_sound()
