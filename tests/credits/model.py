"""A model of the credits ledger in plain Python: the outcome of each call, and the balances after it.

It has no SQL, locks or entry numbers. test_histories.py compares it with the ledger after each step of a random history.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

ZERO = Decimal(0)


@dataclass
class Grant:
    number: int
    unit: str
    amount: Decimal
    priority: int
    category: str
    effective: date
    expiry: date | None
    balance: Decimal = ZERO
    status: str = "open"
    moved: bool = False
    invoices: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.balance = self.amount


@dataclass
class Hold:
    expires_at: datetime
    lines: dict[int, Decimal]
    status: str = "active"
    captured: Decimal = ZERO


@dataclass
class Entry:
    grant: int
    sign: int
    amount: Decimal
    invoice: str
    is_reversed: bool = False


class Model:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.grants: list[Grant] = []
        self.holds: list[Hold] = []
        self.entries: list[Entry] = []
        self.reinstated: set[str] = set()

    @property
    def today(self) -> date:
        return self.now.date()

    def held(self, grant: Grant) -> Decimal:
        active = (hold for hold in self.holds if hold.status == "active" and hold.expires_at > self.now)
        return sum((hold.lines.get(grant.number, ZERO) for hold in active), ZERO)

    def available(self, grant: Grant) -> Decimal:
        return grant.balance - self.held(grant)

    def is_over(self, grant: Grant) -> bool:
        return grant.expiry is not None and grant.expiry < self.today

    # The calls. Each returns "ok" or the name of the error.

    def grant(self, **facts) -> str:
        self.grants.append(Grant(number=len(self.grants), **facts))
        return "ok"

    def post(self, grant: Grant, sign: int, amount: Decimal, invoice: str) -> str:
        if grant.status == "deleted":
            return "GrantNotFound"
        if grant.status == "voided":
            return "GrantVoided"
        if sign < 0 and self.today < grant.effective:
            return "GrantNotYetEffective"
        if sign < 0 and self.is_over(grant):
            return "GrantExpired"
        return self.move(grant, sign, amount, invoice)

    def move(self, grant: Grant, sign: int, amount: Decimal, invoice: str) -> str:
        """Debits or credits a grant, without checking its dates and status."""
        if sign < 0 and amount > self.available(grant):
            return "InsufficientCredit"
        if sign > 0 and invoice and amount > grant.invoices.get(invoice, ZERO):
            return "MoreThanTaken"
        self.take(grant, sign, amount, invoice)
        return "ok"

    def take(self, grant: Grant, sign: int, amount: Decimal, invoice: str, *, can_be_reversed: bool = True) -> None:
        grant.balance += sign * amount
        grant.moved = True
        if invoice:
            grant.invoices[invoice] = grant.invoices.get(invoice, ZERO) - sign * amount
        if can_be_reversed:
            self.entries.append(Entry(grant.number, sign, amount, invoice))
        if sign > 0 and (grant.status == "voided" or self.is_over(grant)):
            grant.balance = self.held(grant)

    def reverse(self, entry: Entry) -> str:
        if entry.is_reversed:
            return "AlreadyReversed"
        grant = self.grants[entry.grant]
        count = len(self.entries)
        outcome = self.move(grant, -entry.sign, entry.amount, entry.invoice)
        del self.entries[count:]
        entry.is_reversed = outcome == "ok"
        return outcome

    def plan(self, units: set[str], amount: Decimal) -> list[tuple[Grant, Decimal]]:
        payers = [
            grant
            for grant in self.grants
            if grant.status == "open" and grant.unit in units and grant.effective <= self.today and not self.is_over(grant)
        ]
        payers.sort(
            key=lambda grant: (
                grant.priority,
                grant.unit == "USD",
                grant.expiry or date.max,
                grant.category == "paid",
                grant.effective,
                grant.number,
            )
        )
        drawn = []
        for grant in payers:
            if (part := min(self.available(grant), amount)) > 0:
                drawn.append((grant, part))
                amount -= part
        return drawn

    def consume(self, units: set[str], amount: Decimal, invoice: str, *, partial: bool) -> str:
        drawn = self.plan(units, amount)
        if sum(part for _, part in drawn) < amount and not partial:
            return "InsufficientCredit"
        for grant, part in drawn:
            self.take(grant, -1, part, invoice)
        return "ok"

    def reinstate(self, invoice: str) -> str:
        owed = [(grant, grant.invoices[invoice]) for grant in self.grants if grant.invoices.get(invoice, ZERO) > 0]
        for grant, amount in owed:
            self.take(grant, 1, amount, invoice, can_be_reversed=False)
        if owed:
            self.reinstated.add(invoice)
        return "ok" if invoice in self.reinstated else "NothingToReinstate"

    def hold(self, units: set[str], amount: Decimal, expires_at: datetime) -> str:
        drawn = self.plan(units, amount)
        if sum(part for _, part in drawn) < amount:
            return "InsufficientCredit"
        self.holds.append(Hold(expires_at, {grant.number: part for grant, part in drawn}))
        return "ok"

    def end_hold(self, hold: Hold, ending: str, amount: Decimal | None) -> str:
        if hold.status == ending:
            same = ending == "released" or amount is None or amount == hold.captured
            return "ok" if same else "IdempotencyConflict"
        is_overdue = hold.status == "active" and hold.expires_at <= self.now
        if hold.status != "active" or (is_overdue and ending == "captured"):
            return "HoldClosed"
        reserved = sum(hold.lines.values())
        wanted = (amount or reserved) if ending == "captured" else ZERO
        if wanted > reserved:
            return "HoldExceeded"
        hold.status = "expired" if is_overdue else ending
        hold.captured = wanted
        for number, line in hold.lines.items():
            part = min(line, wanted)
            wanted -= part
            if part:
                self.take(self.grants[number], -1, part, "")
            self.expire_grant(self.grants[number])
        return "ok"

    def void(self, grant: Grant) -> str:
        if grant.status == "deleted":
            return "NotFound"
        if grant.status == "voided":
            return "ok"
        if self.held(grant):
            return "GrantHeld"
        grant.moved = grant.moved or grant.balance > 0
        grant.status, grant.balance = "voided", ZERO
        return "ok"

    def delete(self, grant: Grant) -> str:
        if grant.status == "deleted":
            return "ok"
        if grant.moved or self.held(grant):
            return "GrantDrawnOn"
        grant.status, grant.balance, grant.moved = "deleted", ZERO, True
        return "ok"

    def expire_grant(self, grant: Grant) -> None:
        """Expires what is left of a grant past its last day, except what is held."""
        if grant.status == "open" and self.is_over(grant):
            grant.moved = grant.moved or self.available(grant) > 0
            grant.balance = self.held(grant)

    def expire(self) -> str:
        for grant in self.grants:
            self.expire_grant(grant)
        return "ok"

    def expire_holds(self) -> str:
        for hold in self.holds:
            if hold.status == "active" and hold.expires_at <= self.now:
                hold.status = "expired"
                for number in hold.lines:
                    self.expire_grant(self.grants[number])
        return "ok"

    def pass_days(self, days: int) -> str:
        self.now += timedelta(days=days)
        return "ok"
