"""A digest tells a replay from a conflict, and names what differs."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kernel.ledger.fact_digests import differing_facts, digest, digests

NAMES = ("amount", "currency", "agent_id", "occurred_at", "metadata")
facts = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.decimals(allow_nan=False, allow_infinity=False, places=4),
        "currency": st.sampled_from(["USD", "EUR"]),
        "agent_id": st.text(max_size=5),
        "metadata": st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3),
    },
)


@given(facts, facts)
def test_digests_are_equal_exactly_when_the_facts_are(first, second):
    expected = [name for name in NAMES if first.get(name) != second.get(name)]
    assert differing_facts(NAMES, digest(first, NAMES), digest(second, NAMES)) == expected
    assert (digest(first, NAMES) == digest(second, NAMES)) == (not expected)


VALUES = st.none() | st.text(max_size=3) | st.sampled_from([1, True, Decimal(1), Decimal("1.0"), [True], [1], {"a": 1}, {"a": True}])


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("amount", "metadata"), VALUES)), max_size=4))
def test_digests_of_many_are_those_of_each(many):
    forms = {"metadata": lambda value: None if value == "" else [value]}
    assert digests(many, NAMES, forms=forms) == [digest(each, NAMES, forms=forms) for each in many]


def test_two_spellings_of_one_fact_are_one_fact():
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    first = {"amount": Decimal("1.50"), "occurred_at": moment, "metadata": {"a": 1, "b": 2}}
    second = {"amount": Decimal("1.5"), "occurred_at": moment.astimezone(timezone(timedelta(hours=5))), "metadata": {"b": 2, "a": 1}}
    assert digest(first, NAMES) == digest(second, NAMES)
    assert digest({"amount": Decimal("-0")}, NAMES) == digest({"amount": Decimal(0)}, NAMES)


def test_an_older_ledger_that_knew_fewer_facts_reads_as_not_given():
    older = digest({"amount": Decimal(1)}, NAMES[:2])
    assert differing_facts(NAMES, older, digest({"amount": Decimal(1)}, NAMES)) == []
    assert differing_facts(NAMES, older, digest({"amount": Decimal(1), "agent_id": "a"}, NAMES)) == ["agent_id"]


def test_digests_are_kept_for_ever_so_they_never_change():
    facts = {
        "amount": Decimal("1.50"),
        "currency": "USD",
        "agent_id": "x" * 65,
        "occurred_at": datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=5))),
        "metadata": {"b": [1, None], "a": {"number": "2.50"}},
    }
    assert [digest(facts, [name]).hex() for name in (*NAMES, "reason")] == [
        "7a148f2c63572d35",
        "420ce8ffc3b80631",
        "c085721fdfc5c936",
        "ed4f384fc4abd0e2",
        "318f8446d249ed99",
        "0000000000000000",
    ]
