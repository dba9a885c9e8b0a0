"""A small model of the ledger in Python, and random histories: after each one the database must tell the same story.

Holds are placed and released, so that the floor is decided with them; what a capture posts is for tests/billing/test_holds.py.
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from billing import services
from billing.choices import SHIPPED_TYPES
from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from billing.services.postings import RETRYABLE_CONSTRAINTS, make_posting, read_posting
from kernel.ledger.errors import LedgerError
from kernel.ledger.posting import statements
from kernel.tenants.services import create_tenant

pytestmark = pytest.mark.django_db
NUMBERS = itertools.count()
# As the posting layer calls it for a batch of several tenants.
BILLING_POST = statements.PostingFunction("billing_post", RETRYABLE_CONSTRAINTS)
DAWN = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
WINDOW = timedelta(seconds=60)
# An id that no transaction has.
NOBODY = UUID(int=0)


@dataclass
class Entry:
    name: int
    currency: str
    type: str
    amount: Decimal
    effect: Decimal
    reference: str
    agent: str | None
    at: datetime
    facts: tuple
    reverses: int | None = None
    taken: Decimal = Decimal(0)
    reversed_by: int | None = None
    is_flagged: bool = False


@dataclass
class Book:
    """What billing_post and the calls on holds promise, written down a second time and as plainly as possible."""

    floors: dict[str, Decimal | None]
    is_strict: bool
    entries: list[Entry] = field(default_factory=list)
    # By the step that placed it: its currency, and what it reserves, which is nothing once it is released.
    holds: dict[int, tuple[str, Decimal]] = field(default_factory=dict)

    def held(self, currency):
        return sum((amount for unit, amount in self.holds.values() if unit == currency), Decimal(0))

    def place_hold(self, name, step):
        currency, floor = step["currency"], self.floors[step["currency"]]
        if self.balance(currency) - self.held(currency) - step["hold"] < (0 if floor is None else floor):
            return "insufficient"
        self.holds[name] = (currency, step["hold"])
        return "posted"

    def release_hold(self, name):
        if name not in self.holds:
            return "not_found"
        currency, reserved = self.holds[name]
        self.holds[name] = (currency, Decimal(0))
        return "posted" if reserved else "replayed"

    def balance(self, currency):
        return sum((entry.effect for entry in self.entries if entry.currency == currency), Decimal(0))

    def post(self, name, step):
        if "hold" in step:
            return self.place_hold(name, step)
        if "release" in step:
            return self.release_hold(step["release"])
        original = self.find(step["reverses"]) if "reverses" in step else None
        kind = original.type if original else step.get("type")
        facts = tuple(sorted((key, str(value)) for key, value in step.items() if key not in {"type", "reference_id"} and value is not None))
        first = next((entry for entry in self.entries if (entry.type, entry.reference) == (kind, step["reference_id"])), None)
        if first is not None:
            return "replayed" if first.facts == facts else "idempotency_conflict"
        if "reverses" in step:
            return self.reverse(name, step, original, facts)
        direction = SHIPPED_TYPES[kind][1] if kind in SHIPPED_TYPES else "signed"
        if self.is_strict and kind not in SHIPPED_TYPES:
            return "unknown_type"
        if direction != "signed" and step["amount"] < 0:
            return "invalid_value"
        effect = -step["amount"] if direction == "debit" else step["amount"]
        entry = Entry(
            name, step["currency"], kind, step["amount"], effect, step["reference_id"], step["agent_id"], step["occurred_at"], facts
        )
        entry.is_flagged = any(self.alike(entry, other) for other in self.entries)
        return self.add(entry)

    def reverse(self, name, step, original, facts):
        if original is None:
            return "not_found"
        if original.reverses is not None:
            return "not_reversible"
        if original.reversed_by is not None:
            return "already_reversed"
        room = abs(original.effect) - original.taken
        size = room if step["amount"] is None else step["amount"]
        if size > room:
            return "exceeds_original"
        sign = -1 if original.effect > 0 else 1
        amount = -size if original.amount < 0 else size
        entry = Entry(
            name,
            original.currency,
            original.type,
            amount,
            sign * size,
            step["reference_id"],
            original.agent,
            step["occurred_at"],
            facts,
            original.name,
        )
        outcome = self.add(entry)
        if outcome == "posted":
            original.taken += size
            original.reversed_by = name if original.taken == abs(original.effect) else None
        return outcome

    def add(self, entry):
        floor, after = self.floors[entry.currency], self.balance(entry.currency) + entry.effect
        if floor is not None and after - self.held(entry.currency) < floor:
            return "insufficient"
        self.entries.append(entry)
        return "posted"

    def find(self, name):
        return next((entry for entry in self.entries if entry.name == name), None)

    @staticmethod
    def alike(entry, other):
        same = (entry.currency, entry.type, entry.amount, entry.agent) == (other.currency, other.type, other.amount, other.agent)
        return same and other.reverses is None and abs(entry.at - other.at) <= WINDOW


AMOUNTS = st.sampled_from([Decimal(text) for text in ("0", "1", "2.5", "2.50", "-1", "7", "0.000000000000000001")])
REFERENCES = st.sampled_from([f"r{number}" for number in range(8)])
RECORD = st.fixed_dictionaries(
    {
        "amount": AMOUNTS,
        "type": st.sampled_from(["topup", "usage", "adjustment", "own"]),
        "reference_id": REFERENCES,
        "currency": st.sampled_from(["USD", "EUR"]),
        "agent_id": st.sampled_from([None, "", "a"]),
    }
)
REVERSE = st.fixed_dictionaries(
    {
        "reverses": st.integers(0, 12),
        "amount": st.sampled_from([None, Decimal(1), Decimal("2.5")]),
        "reference_id": REFERENCES,
        "reason_code": st.just("other"),
    }
)
HOLD = st.fixed_dictionaries(
    {"hold": st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(7)]), "currency": st.sampled_from(["USD", "EUR"])}
)
RELEASE = st.fixed_dictionaries({"release": st.integers(0, 12)})
STEPS = st.lists(st.tuples(st.one_of(RECORD, RECORD, RECORD, REVERSE, HOLD, RELEASE), st.integers(0, 45)), min_size=1, max_size=14)
FLOORS = st.sampled_from([None, Decimal(0), Decimal("-3")])


def usd(amount, kind, reference):
    return {"amount": Decimal(amount), "type": kind, "reference_id": reference, "currency": "USD", "agent_id": None}


def history(steps):
    """The steps with their times, which never run backwards."""
    at = DAWN
    for step, pause in steps:
        at += timedelta(seconds=pause)
        yield step | {"occurred_at": at}


def new_tenant(floors, is_strict):
    tenant = create_tenant(actor="command:test", name="Model", slug=f"model-{next(NUMBERS)}")
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    services.set_policy(**context, strict_types=is_strict)
    for currency, floor in floors.items():
        if floor is not None:
            services.set_floor(**context, currency=currency, floor=floor)
    return context


def is_of_a_hold(step):
    return "hold" in step or "release" in step


def arrays(steps, sizes):
    """The numbered steps in arrays of these sizes. A call on a hold goes by itself."""
    places = iter(sizes)
    waiting = list(enumerate(steps))
    while waiting:
        if is_of_a_hold(waiting[0][1][1]):
            array = waiting[:1]
        else:
            array = list(itertools.takewhile(lambda each: not is_of_a_hold(each[1][1]), waiting[: next(places, 1)]))
        waiting = waiting[len(array) :]
        yield array


def call_on_hold(context, name, step, holds):
    """Places or releases a hold. `holds`: the ids of those that were placed, by step."""
    try:
        if "release" in step:
            return services.release_hold(**context, hold_id=holds.get(step["release"], NOBODY))
        reference, end = f"hold{name}", datetime(2099, 1, 1, tzinfo=UTC)
        placed = services.place_hold(**context, amount=step["hold"], currency=step["currency"], expires_at=end, reference_id=reference)
    except LedgerError as error:
        return error
    holds[name] = placed.row.id
    return placed


def play(owners, steps, sizes):
    """Post the steps in arrays of these sizes, each step for its own owner; answers by step, and the ids under which they were sent."""
    answers, names, holds = [], {}, {}
    for batch in arrays(steps, sizes):
        if is_of_a_hold(batch[0][1][1]):
            [(name, (owner, step))] = batch
            answers.append(call_on_hold(owners[owner], name, step, holds))
            continue
        postings = []
        for name, (owner, step) in batch:
            reverses = {"reverses": names.get(step["reverses"], NOBODY)} if "reverses" in step else {}
            posting = make_posting(step | reverses, actor="command:test", request_id="")
            names[name] = posting["id"]
            postings.append((owners[owner]["tenant_id"], posting))
        rows = statements.call_function(BILLING_POST, postings)
        answers += [read_posting(row, posting) for row, (_, posting) in zip(rows, postings, strict=True)]
    return answers, names


def outcome(answer):
    return answer.code if isinstance(answer, LedgerError) else "replayed" if answer.replayed else "posted"


def recorded_entries(tenant_id, names):
    """The ledger as the database has it, in the terms of the model."""
    found = {identifier: name for name, identifier in names.items()}
    for row in Transaction.objects.filter(tenant_id=tenant_id).order_by("wallet__currency", "entry_number"):
        yield (
            found[row.id],
            row.currency,
            row.type,
            row.amount,
            row.effect,
            row.reference_id,
            row.agent_id,
            found.get(row.reverses_id),
            row.reversed_amount,
            found.get(row.reversed_by_id),
            row.flags == ["near_duplicate"],
        )


def expected_entry(entry):
    return (
        entry.name,
        entry.currency,
        entry.type,
        entry.amount,
        entry.effect,
        entry.reference,
        entry.agent,
        entry.reverses,
        entry.taken,
        entry.reversed_by,
        entry.is_flagged,
    )


def assert_agreement(context, book, names):
    tenant_id = context["tenant_id"]
    assert list(recorded_entries(tenant_id, names)) == [
        expected_entry(entry) for entry in sorted(book.entries, key=lambda entry: entry.currency)
    ]
    for wallet in Wallet.objects.filter(tenant_id=tenant_id):
        mine = [entry for entry in book.entries if entry.currency == wallet.currency]
        expected = (book.balance(wallet.currency), book.held(wallet.currency), len(mine))
        assert (wallet.balance, wallet.held, wallet.last_entry_number) == expected
        chain = list(Transaction.objects.filter(wallet=wallet).order_by("entry_number").values_list("entry_number", "balance_after"))
        assert chain == list(enumerate(itertools.accumulate(entry.effect for entry in mine), start=1))
        # What was refused leaves no wallet behind.
        assert mine or wallet.floor is not None
    totals = {}
    for entry in book.entries:
        credits, debits, count = totals.get((entry.currency, entry.type, entry.at.date()), (0, 0, 0))
        totals[entry.currency, entry.type, entry.at.date()] = (credits + max(entry.effect, 0), debits + max(-entry.effect, 0), count + 1)
    rows = DailyTotal.objects.filter(tenant_id=tenant_id).values_list("currency", "type", "day", "credits", "debits", "entries")
    assert {tuple(row[:3]): tuple(row[3:]) for row in rows} == totals
    assert set(TransactionType.objects.filter(tenant_id=tenant_id).values_list("code", flat=True)) == {entry.type for entry in book.entries}


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=STEPS,
    owners=st.lists(st.integers(0, 1), min_size=14, max_size=14),
    sizes=st.lists(st.integers(1, 6), max_size=6),
    floors=st.fixed_dictionaries({"USD": FLOORS, "EUR": FLOORS}),
    is_strict=st.booleans(),
)
@example(
    steps=[
        (usd(7, "topup", "r0"), 1),
        ({"hold": Decimal(7), "currency": "USD"}, 1),
        (usd(1, "usage", "r1"), 1),
        ({"release": 1}, 1),
        (usd(1, "usage", "r2"), 1),
    ],
    owners=[0] * 14,
    sizes=[],
    floors={"USD": Decimal(0), "EUR": None},
    is_strict=False,
)
def test_the_book_agrees_with_the_model(db, steps, owners, sizes, floors, is_strict):
    """Two accounts share the arrays, as they do where many calls travel together; neither sees a trace of the other."""
    sent_steps = list(zip(owners, history(steps), strict=False))
    accounts = [new_tenant(floors, is_strict), new_tenant({"USD": None, "EUR": None}, False)]
    answers, names = play(accounts, sent_steps, sizes)
    books = [Book(floors=floors, is_strict=is_strict), Book(floors={"USD": None, "EUR": None}, is_strict=False)]
    sent = {name: number for number, array in enumerate(arrays(sent_steps, sizes)) for name, _ in array}
    expected = []
    for name, (owner, step) in enumerate(sent_steps):
        # What stands in the same array, or comes after it, isn't in the ledger yet.
        is_too_soon = "reverses" in step and (step["reverses"] >= name or sent[step["reverses"]] == sent[name])
        expected.append(books[owner].post(name, step | {"reverses": None} if is_too_soon else step))
    assert [outcome(answer) for answer in answers] == expected
    for account, book in zip(accounts, books, strict=True):
        assert_agreement(account, book, names)
