"""A transaction's digest stays in the ledger for ever, so the same facts must have the same one for ever."""

from datetime import UTC, datetime
from decimal import Decimal

from metering.digests import TRANSACTION_FACTS, transaction_digest

FIRST = {
    "service_name": "e64984c3aacf6ede",
    "action_name": "40f89e395b66422f",
    "resource_name": "cb3a8e077f5adcf1",
    "metadata": "3ccd68b9b4393e7e",
    "agent_name": "a6d4e8ab83e7ae42",
    "costs": "2840b7d6ce4d5009",
    "occurred_at": "cab748514a339e04",
    "status": "cffbffd33d654e52",
    "outcome": "c754461bab53915b",
}


def test_the_digest_of_a_transaction_never_changes():
    cost = {"fiat_amount": Decimal("0.050"), "fiat_asset_symbol": "USD", "is_estimate": False, "cost_details": '{"p": 2}'}
    facts = {
        "service_name": "s",
        "action_name": "a",
        "resource_name": "r",
        "metadata": '{"n": 1.50, "a": [1e3, "x"]}',
        "agent_name": "robot",
        "costs": [cost],
        "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
        "status": "completed",
        "outcome": "success",
    }
    assert transaction_digest(facts).hex() == "".join(FIRST.get(name, "0" * 16) for name in TRANSACTION_FACTS)
    # Spacing, the order of keys and trailing zeros say nothing.
    same = {"metadata": '{"a":[1e3,"x"],"n":1.50}', "costs": [{**cost, "fiat_amount": Decimal("0.05"), "cost_details": '{"p":2}'}]}
    assert transaction_digest({**facts, **same}) == transaction_digest(facts)
