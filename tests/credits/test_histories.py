"""Random histories: after every step the ledger agrees with the model; at the end it passes every check."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credits import selectors, services
from credits.models import CreditTransaction, Grant, HoldLine
from kernel.base.errors import DomainError
from tests.credits.book import Book
from tests.credits.model import Model
from tests.factories import TenantFactory

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
REVERSIBLE = ("debit", "credit", "consumption", "capture")
UNITS = [{"USD"}, {"calls"}, {"USD", "calls"}]

amounts = st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(7), Decimal("0.000000000000000001"), Decimal(20)])
numbers = st.integers(0, 7)
invoices = st.sampled_from(["", "", "i", "j"])
steps = st.one_of(
    st.tuples(st.just("grant"), amounts, st.sampled_from(["USD", "USD", "calls"]), st.tuples(numbers, numbers, numbers)),
    st.tuples(st.just("debit"), numbers, amounts, invoices),
    st.tuples(st.just("credit"), numbers, amounts, invoices),
    st.tuples(st.just("consume"), st.sampled_from(UNITS), amounts, invoices, st.booleans()),
    st.tuples(st.just("hold"), st.sampled_from(UNITS), amounts, numbers),
    st.tuples(st.just("capture"), numbers, st.none() | amounts),
    st.tuples(st.just("release"), numbers),
    st.tuples(st.just("void"), numbers),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("reverse"), numbers),
    st.tuples(st.just("reinstate"), st.sampled_from(["i", "j"])),
    st.tuples(st.just("expire")),
    st.tuples(st.just("expire_holds")),
    st.tuples(st.just("retry"), numbers),
    st.tuples(st.just("days"), st.integers(1, 5)),
)
seed = [("grant", Decimal(20), "USD", (2, 0, 7)), ("grant", Decimal(7), "USD", (0, 0, 3)), ("grant", Decimal(20), "calls", (1, 0, 5))]


class History:
    """Runs each step of one history in the ledger and in the model."""

    def __init__(self, book: Book, clock: Any) -> None:
        self.book = book
        self.clock = clock
        self.model = Model(START)
        self.grants: list[Any] = []
        self.holds: list[Any] = []
        self.calls: list[Callable[[], Any]] = []

    def run(self, step: tuple) -> None:
        verb, *arguments = step
        getattr(self, f"do_{verb}")(*arguments)
        self.compare()

    def compare(self) -> None:
        rows = {row.id: row for row in Grant.objects.filter(tenant_id=self.book.tenant_id)}
        lines = list(HoldLine.objects.filter(tenant_id=self.book.tenant_id, remaining__gt=0, expires_at__gt=self.model.now))
        for grant, grant_id in zip(self.model.grants, self.grants, strict=True):
            held = sum(line.remaining for line in lines if line.grant_id == grant_id)
            assert (rows[grant_id].balance, held) == (grant.balance, self.model.held(grant))
            closed = rows[grant_id].status if rows[grant_id].status != "expired" else "open"
            assert closed == grant.status

    def compare_clocks(self) -> None:
        """No entry counts for a later moment than now, so the balances by both clocks and the sums of all entries agree."""
        tenant_id = self.book.tenant_id
        for grant, grant_id in zip(self.model.grants, self.grants, strict=True):
            # Entries of one grant are a microsecond apart where the clock stands still.
            now = self.model.now + timedelta(seconds=1)
            world = selectors.grant_balance_at(tenant_id=tenant_id, grant_id=grant_id, at=now, clock="world")
            booked = selectors.grant_balance_at(tenant_id=tenant_id, grant_id=grant_id)
            [sums] = selectors.explain_grant(tenant_id=tenant_id, grant_id=grant_id)["sums"]
            assert (world["balance"], booked["balance"], sums["balance"]) == (grant.balance,) * 3

    def assert_outcome(self, expected: str, call: Callable[[], Any]) -> Any:
        """Calls the service and asserts the model's outcome."""
        try:
            posted, outcome = call(), "ok"
        except DomainError as error:
            posted, outcome = None, type(error).__name__
        assert outcome == expected
        return posted

    def keyed(self, expected: str, service: Callable[..., Any], **facts: Any) -> Any:
        """Calls with an idempotency key as well, so that `do_retry` can repeat the call."""
        key = f"key-{len(self.calls)}"

        def call() -> Any:
            return service(**self.book.context, idempotency_key=key, **facts)

        posted = self.assert_outcome(expected, call)
        if posted is not None:
            self.calls.append(call)
        return posted

    def pick(self, rows: list, number: int) -> int | None:
        return number % len(rows) if rows else None

    def do_grant(self, amount: Decimal, unit: str, dials: tuple[int, int, int]) -> None:
        effective, category, length = self.model.today + timedelta(days=dials[0] % 3 - 1), dials[1] % 2, dials[2]
        facts = {
            "amount": amount,
            "category": ("paid", "promotional")[category],
            "priority": (50, 10)[dials[0] % 2],
        }
        expiry = effective + timedelta(days=length) if length < 6 else None
        self.model.grant(unit=unit, effective=effective, expiry=expiry, **facts)
        facts |= {"unit_type": "METRIC", "metric_id": "calls"} if unit == "calls" else {}
        facts |= {"cost_of_credit": Decimal(3)} if category else {}
        self.grants.append(self.book.grant(effective_date=effective, expiry_date=expiry, **facts))

    def do_debit(self, number: int, amount: Decimal, invoice: str, sign: int = -1) -> None:
        place = self.pick(self.grants, number)
        expected = self.model.post(self.model.grants[place], sign, amount, invoice)
        kind = "CREDIT" if sign > 0 else "DEBIT"
        facts = {"grant_id": self.grants[place], "type": kind, "amount": amount, "invoice_id": invoice or None}
        self.keyed(expected, services.record_transaction, **facts)

    def do_credit(self, number: int, amount: Decimal, invoice: str) -> None:
        self.do_debit(number, amount, invoice, sign=1)

    def do_consume(self, units: set[str], amount: Decimal, invoice: str, partial: bool) -> None:
        expected = self.model.consume(units, amount, invoice, partial=partial)
        facts = {"customer_id": "acme", "amount": amount, "invoice_id": invoice or None, "partial": partial, **self.units(units)}
        self.keyed(expected, services.consume, **facts)

    def do_hold(self, units: set[str], amount: Decimal, days: int) -> None:
        expires_at = self.model.now + timedelta(days=days, hours=1)
        expected = self.model.hold(units, amount, expires_at)
        posted = self.keyed(expected, services.place_hold, customer_id="acme", amount=amount, expires_at=expires_at, **self.units(units))
        if posted is not None:
            self.holds.append(posted.row.id)

    def do_capture(self, number: int, amount: Decimal | None, ending: str = "captured") -> None:
        place = self.pick(self.holds, number)
        if place is None:
            return
        hold = self.model.holds[place]
        before = hold.status
        expected = self.model.end_hold(hold, ending, amount)
        facts = {"customer_id": "acme", "hold_id": self.holds[place]}
        if ending == "released":
            self.assert_outcome(expected, lambda: services.release_hold(**self.book.context, **facts))
        elif before != "captured":
            self.assert_outcome(expected, lambda: services.capture_hold(**self.book.context, amount=amount, **facts))

    def do_release(self, number: int) -> None:
        self.do_capture(number, None, ending="released")

    def do_void(self, number: int) -> None:
        place = self.pick(self.grants, number)
        expected = self.model.void(self.model.grants[place])
        self.assert_outcome(expected, lambda: services.void_grant(**self.book.context, grant_id=self.grants[place], reason="r"))

    def do_delete(self, number: int) -> None:
        place = self.pick(self.grants, number)
        expected = self.model.delete(self.model.grants[place])
        self.assert_outcome(expected, lambda: services.delete_grant(**self.book.context, grant_id=self.grants[place]))

    def do_reverse(self, number: int) -> None:
        rows = CreditTransaction.objects.filter(tenant_id=self.book.tenant_id, kind__in=REVERSIBLE).order_by("created_at", "id")
        place = self.pick(self.model.entries, number)
        if place is None:
            return
        entry = self.model.entries[place]
        row = list(rows)[place]
        assert (row.grant_id, row.amount, row.invoice_id) == (self.grants[entry.grant], entry.amount, entry.invoice)
        expected = self.model.reverse(entry)
        self.assert_outcome(expected, lambda: services.reverse_transaction(**self.book.context, transaction_id=row.id, reason="r"))

    def do_reinstate(self, invoice: str) -> None:
        expected = self.model.reinstate(invoice)
        self.assert_outcome(expected, lambda: services.reinstate(**self.book.context, customer_id="acme", invoice_id=invoice))

    def do_expire(self) -> None:
        self.model.expire()
        list(services.expire_grants(actor="job:test", request_id="", tenant_id=self.book.tenant_id))

    def do_expire_holds(self) -> None:
        self.model.expire_holds()
        list(services.expire_holds(actor="job:test", request_id="", tenant_id=self.book.tenant_id))

    def do_retry(self, number: int) -> None:
        place = self.pick(self.calls, number)
        if place is not None:
            assert self.calls[place]().replayed

    def do_days(self, days: int) -> None:
        self.model.pass_days(days)
        self.clock.move_to(self.model.now)

    def units(self, units: set[str]) -> dict[str, str | None]:
        return {"currency": "USD" if "USD" in units else None, "metric_id": "calls" if "calls" in units else None}


@pytest.mark.django_db
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=20, max_size=60))
def test_the_book_agrees_with_the_model_after_every_step(history):
    with time_machine.travel(START, tick=False) as clock:
        run = History(Book(TenantFactory().id), clock)
        for step in [*seed, *history]:
            run.run(step)
        run.book.check()
        run.compare_clocks()
