"""A row and a digest become what was posted, or the ledger's error."""

from types import SimpleNamespace
from uuid import UUID

import pytest

from kernel.ledger.errors import IdempotencyConflict, Insufficient
from kernel.ledger.fact_digests import digest
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error

FIRST_ID = UUID(int=7)
NAMES = ("amount", "currency", "note")
FACTS = {"amount": "1", "currency": "EUR", "note": "n"}
ERRORS = {"insufficient": lambda row: Insufficient(balance=row.balance)}


def row(outcome, *, first=None, **columns):
    return SimpleNamespace(outcome=outcome, id=FIRST_ID, first_digest=first, **columns)


def read(row, facts=FACTS, *, names=NAMES, **options):
    return or_raise(posted_or_error(row, facts_digest=digest(facts, names), names=names, errors=ERRORS, **options))


@pytest.mark.parametrize(("outcome", "replayed"), [("posted", False), ("replayed", True)])
def test_what_is_in_the_book_is_returned_with_its_replay_mark(outcome, replayed):
    posted = row(outcome)
    assert read(posted) == Posted(posted, replayed=replayed)


def test_a_key_used_before_with_the_same_facts_is_a_replay():
    assert read(row("exists", first=digest(FACTS, NAMES))).replayed


def test_a_key_used_before_with_other_facts_is_a_conflict_that_names_them_and_the_first_row():
    with pytest.raises(IdempotencyConflict) as refused:
        read(row("exists", first=digest(FACTS, NAMES)), {**FACTS, "amount": "2", "note": None})
    assert refused.value.facts == {"first_id": FIRST_ID, "fields": ["amount", "note"]}


@pytest.mark.parametrize("outcome", ["exists"])
def test_a_shorter_digest_of_an_older_row_is_a_replay_where_the_newer_facts_are_not_given(outcome):
    """As when a ledger's facts grow by one: rows from before keep digests that lack it."""
    older = digest(FACTS, NAMES[:2])
    assert read(row(outcome, first=older), {**FACTS, "note": None}).replayed
    with pytest.raises(IdempotencyConflict) as refused:
        read(row(outcome, first=older))
    assert refused.value.facts["fields"] == ["note"]


def test_a_first_row_without_a_digest_agrees_with_a_call_that_gives_no_facts_only():
    assert read(row("exists", first=None), {}).replayed
    with pytest.raises(IdempotencyConflict):
        read(row("exists", first=None))


def test_psycopgs_memoryview_is_read_as_bytes():
    assert read(row("exists", first=memoryview(digest(FACTS, NAMES)))).replayed


def test_a_refusal_is_the_ledgers_error():
    with pytest.raises(Insufficient) as refused:
        read(row("insufficient", balance="3"))
    assert refused.value.facts == {"balance": "3"}


def test_in_an_array_a_refusal_is_a_value():
    refused = posted_or_error(row("insufficient", balance="3"), facts_digest=None, names=NAMES, errors=ERRORS)
    assert isinstance(refused, Insufficient)


def test_an_unregistered_outcome_raises_key_error():
    with pytest.raises(KeyError):
        read(row("new_outcome"))


def test_a_ledger_may_name_outcomes_that_recorded_nothing_and_are_no_error():
    outcome = read(row("nothing_left"), nothing_to_do={"nothing_left"})
    assert outcome.nothing_to_do
    assert not outcome.replayed
    assert not outcome.is_new


def test_a_ledger_may_make_the_conflict_itself():
    made = []
    with pytest.raises(Insufficient):
        read(
            row("exists", first=digest({}, NAMES)),
            conflict=lambda row, fields: made.append((row.id, fields)) or Insufficient(),
        )
    assert made == [(FIRST_ID, ["amount", "currency", "note"])]


def test_a_stated_value_that_the_row_records_is_no_difference():
    """A retry that says a default out loud, or leaves out what the first call said."""
    recorded = row("exists", first=digest({**FACTS, "currency": None}, NAMES), currency="EUR")
    assert read(recorded, is_recorded=lambda row, name: name == "currency" and row.currency == "EUR").replayed
    with pytest.raises(IdempotencyConflict) as refused:
        read(recorded, {**FACTS, "amount": "2"}, is_recorded=lambda row, name: name == "currency")
    assert refused.value.facts["fields"] == ["amount"]
