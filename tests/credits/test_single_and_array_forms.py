"""The array form of `credits_post` writes the same rows and returns the same outcomes as its single form."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credits import services
from credits.models import CreditTransaction, Grant
from tests.credits.book import Book
from tests.factories import TenantFactory

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GRANTS = (
    {"amount": 50, "cost_of_credit": Decimal("33.33")},
    {"amount": 8, "expiry_date": NOW.date()},
    {"amount": 1000, "effective_date": NOW.date() + timedelta(days=3)},
    {"amount": 20, "expiry_date": NOW.date() + timedelta(days=9), "effective_date": NOW.date() - timedelta(days=9)},
)
COMPARED = (
    "type",
    "kind",
    "amount",
    "entry_number",
    "balance_after",
    "cost_basis",
    "reason",
    "invoice_id",
    "idempotency_key",
    "customer_id",
)

# Mostly postings that aren't refused, so that whole arrays of them occur.
ordinary = st.tuples(st.sampled_from([0, 0, 0, 3]), st.just("DEBIT"), st.sampled_from(["0.5", "1", "0.000000000000000001"]), st.just(""))
anything = st.tuples(
    st.integers(0, len(GRANTS)), st.sampled_from(["DEBIT", "CREDIT"]), st.sampled_from(["1", "7.25", "30"]), st.sampled_from(["", "", "i"])
)
keys = st.one_of(st.none(), st.integers(0, 400))
days_ago = st.sampled_from([None, None, 0, 5])
arrays = st.lists(
    st.one_of(
        st.lists(st.tuples(ordinary, st.none(), st.none()), min_size=8, max_size=20),
        st.lists(st.tuples(st.one_of(ordinary, ordinary, anything), keys, days_ago), max_size=20),
    ),
    min_size=1,
    max_size=4,
)


def item(grants: list[Any], step: Any) -> dict[str, Any]:
    (place, kind, amount, invoice), key, ago = step
    facts = {"grant_id": grants[place], "type": kind, "amount": Decimal(amount), "reason": "r", "invoice_id": invoice or None}
    facts |= {"occurred_at": NOW - timedelta(days=ago)} if ago is not None else {}
    return facts | ({"idempotency_key": f"key-{key}"} if key is not None else {})


def comparable(outcome: Any) -> Any:
    """An outcome without ids and times, which differ between two books."""
    if isinstance(outcome, Exception):
        return type(outcome).__name__, {name: value for name, value in outcome.facts.items() if "id" not in name}
    return outcome.replayed, *(
        getattr(outcome.row, name) for name in ("type", "kind", "amount", "entry_number", "balance_after", "cost_basis")
    )


def state(grants: list[Any]) -> list[Any]:
    by_id = Grant.objects.in_bulk(grants[: len(GRANTS)])
    rows = [(row.balance, row.held, row.last_entry_number, row.status) for row in (by_id[grant] for grant in grants[: len(GRANTS)])]
    entries = [list(CreditTransaction.objects.filter(grant_id=grant).order_by("entry_number").values_list(*COMPARED)) for grant in grants]
    return [rows, entries]


def new_book() -> tuple[Book, list[Any]]:
    book = Book(TenantFactory().id)
    # The last id is of no grant.
    return book, [*(book.grant(**facts) for facts in GRANTS), "018f0000-0000-7000-8000-000000000000"]


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=arrays)
def test_an_array_posts_the_same_as_its_postings_one_by_one(arrays):
    with time_machine.travel(NOW, tick=False):
        (many, many_grants), (alone, alone_grants) = new_book(), new_book()
        for steps in arrays:
            together = services.record_transactions(**many.context, transactions=[item(many_grants, step) for step in steps])
            singly = [services.record_transactions(**alone.context, transactions=[item(alone_grants, step)])[0] for step in steps]
            assert [comparable(outcome) for outcome in together] == [comparable(outcome) for outcome in singly]
        assert state(many_grants) == state(alone_grants)
        many.check()
