"""Postings sent as an array make the ledger that they would have made one by one: the two forms of `metering_post` are one rule."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import Posted
from metering import services
from metering.integrity import checks
from metering.models import Cost, Fact, Rollup, StatusChange, Trace, Transaction
from metering.selectors import RowDict
from metering.services import posting_columns
from tests.factories import TenantFactory

LARGEST = "999999999999999999.999999999999999999"
NOBODY = "018f0000-0000-7000-8000-000000000000"
TRACES = ("018f0000-0000-7000-8000-00000000000a", "018f0000-0000-7000-8000-00000000000b")
MOMENTS = (datetime(2026, 6, 1, 12, tzinfo=UTC), datetime(2026, 6, 1, 13, 59, tzinfo=UTC), datetime(2025, 12, 31, 23, tzinfo=UTC))
SUMMED = ("transactions", "succeeded", "failed", "denied", "cancelled", "costs", "amount", "estimated")
# Of a transaction, its trace's own id left out.
WRITTEN = (
    *("service__name", "agent__name", "trace__external_id", "status", "outcome", "decline_reason", "occurred_at", "authorized_at"),
    *("denied_at", "cancelled_at", "completed_at", "idempotency_key"),
)

costs = st.lists(
    st.fixed_dictionaries(
        {
            "fiat_amount": st.sampled_from([Decimal("0"), Decimal("0.000000000000000001"), Decimal("7.25"), Decimal(LARGEST)]),
            "fiat_asset_symbol": st.sampled_from(["USD", "USD", "EUR"]),
            "is_estimate": st.booleans(),
        }
    ),
    max_size=3,
)
# With an outcome and no status it is a finished call, whose report costs a dollar a token.
endings = st.sampled_from(
    [(None, None)] * 3
    + [("completed", "success"), ("completed", "error"), ("cancelled", None), ("denied", None), (None, "success"), (None, "error")]
)
REPORT = {"source": "s", "version": "1", "facts": '{"tokens": 3}', "call_id": "a"}
# An agent by its place among those that are there beforehand, or by a name that may be new.
whose = st.sampled_from([(None, None)] * 2 + [(None, "active"), (None, "new"), (0, None), (1, None), (2, None), (2, "active"), (2, "b")])
traces = st.sampled_from(
    [(None, None)] * 3 + [(TRACES[0], None), (TRACES[0], "x"), (TRACES[1], "x"), (TRACES[1], "y"), (None, "x"), (None, "y")]
)
names = st.tuples(st.sampled_from(["s", "s", "t", "u"]), whose, traces)
steps = st.tuples(names, endings, st.sampled_from(MOMENTS), costs, st.one_of(st.none(), st.integers(0, 3)))
arrays = st.lists(st.lists(steps, max_size=8), min_size=1, max_size=5)


class Book:
    """One tenant's, with an agent that is active, one that isn't, and one that is nobody's."""

    def __init__(self, *, authorizes_at_once: bool) -> None:
        self.context: dict[str, Any] = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
        services.set_policy(**self.context, authorizes_at_once=authorizes_at_once)
        units = [services.parse_unit("tokens=1")]
        services.set_price(**self.context, service_name="s", currency="USD", units=units, valid_from=datetime(2020, 1, 1, tzinfo=UTC))
        created = [services.create_agent(**self.context, label=status, status=status) for status in ("active", "inactive")]
        self.agents = [*(agent["id"] for agent in created), NOBODY]

    def post(self, steps: list[Any]) -> list[Any]:
        return services.record_transactions(**self.context, transactions=[self.facts(*step) for step in steps])

    def facts(self, names: Any, ending: Any, moment: datetime, costs: list[Any], key: int | None) -> dict[str, Any]:
        service, (agent, agent_name), (trace_id, trace_external_id) = names
        facts = {"service_name": service, "action_name": "a", "resource_name": "r", "costs": costs, "occurred_at": moment}
        facts |= {"agent_id": None if agent is None else self.agents[agent], "agent_name": agent_name}
        facts |= {"trace_id": trace_id, "trace_external_id": trace_external_id, "status": ending[0], "outcome": ending[1]}
        facts["response_facts"] = REPORT if ending[1] and not ending[0] else None
        return facts | {"idempotency_key": None if key is None else f"key-{key}"}

    def places(self) -> dict[Any, int]:
        """The transactions' ids, by their order."""
        rows = Transaction.objects.filter(tenant_id=self.context["tenant_id"]).order_by("id")
        return {identifier: place for place, identifier in enumerate(rows.values_list("id", flat=True))}

    def comparable(self, outcome: Posted[RowDict] | LedgerError) -> Any:
        """An outcome without what differs between two books: ids and the very moment."""
        if isinstance(outcome, LedgerError):
            first = outcome.facts.get("first_id")
            return type(outcome).__name__, outcome.facts.get("fields"), first and self.places()[first]
        row = outcome.row
        same = [row[name] for name in ("service_name", "status", "outcome", "decline_reason", "occurred_at", "completed_at")]
        agent = row["agent"] and [row["agent"][name] for name in ("label", "name", "status")]
        given = [row["trace"]["id"] if str(row["trace"]["id"]) in TRACES else None, row["trace"]["external_id"]]
        return outcome.replayed, self.places()[row["id"]], same, agent, given, [cost["fiat_amount"] for cost in row["costs"]]

    def state(self) -> list[Any]:
        """Every row of the ledger, ids written as their places; a trace by its first transaction."""
        mine: dict[str, Any] = {"tenant_id": self.context["tenant_id"]}
        places = self.places()
        rows = list(Transaction.objects.filter(**mine).order_by("id").values_list("trace_id", *WRITTEN))
        firsts: dict[Any, int] = {}
        whole = [(firsts.setdefault(row[0], place), *row[1:]) for place, row in enumerate(rows)]
        steps = StatusChange.objects.filter(**mine).order_by("id").values_list("transaction_id", "to_status", "reason", "occurred_at")
        columns = ("fiat_amount", "fiat_asset_symbol", "is_estimate", "is_active", "supersedes__fiat_amount", "superseded_by__fiat_amount")
        priced = Cost.objects.filter(**mine).order_by("id").values_list("transaction_id", *columns, "inferred_from__facts")
        summed = Rollup.objects.filter(**mine).values_list("grain", "starts_at", "service__name", "agent__name", "currency")
        sums = sorted(summed.annotate(*(Sum(name) for name in SUMMED)), key=str)
        offered = Fact.objects.filter(**mine).order_by("id").values_list("transaction_id", "source", "phase", "facts", "call_id", "pricing")
        parts = [sorted(((places[row[0]], *row[1:]) for row in rows), key=str) for rows in (steps, priced, offered)]
        return [whole, *parts, sums, Trace.objects.filter(**mine).count()]


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrays=arrays, authorizes_at_once=st.booleans(), fewest_in_columns=st.sampled_from([2, posting_columns.MIN_POSTINGS]))
def test_an_array_makes_the_book_that_its_postings_make_one_by_one(arrays, authorizes_at_once, fewest_in_columns):
    many, alone = (Book(authorizes_at_once=authorizes_at_once) for _ in range(2))
    for steps in arrays:
        with mock.patch.object(posting_columns, "MIN_POSTINGS", fewest_in_columns):
            together = many.post(steps)
        singly = [alone.post([step])[0] for step in steps]
        assert [many.comparable(outcome) for outcome in together] == [alone.comparable(outcome) for outcome in singly]
    assert many.state() == alone.state()
    for book in (many, alone):
        assert list(checks.find_violations(tenant_id=book.context["tenant_id"])) == []


@pytest.mark.django_db
def test_a_posting_that_comes_alone_and_names_what_is_known_needs_no_arrays():
    book = Book(authorizes_at_once=True)
    plain = (None, None)
    known = [("s", plain, plain), ("s", (0, None), (None, "x")), ("s", (None, "active"), (TRACES[0], None))]
    book.post([(names, plain, MOMENTS[0], [], None) for names in known])
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION metering_post_array(uuid, metering_posting[])")
    for number, names in enumerate(known):
        [recorded] = book.post([(names, ("completed", "success"), MOMENTS[0], [], number)])
        assert recorded.row and recorded.row["status"] == "completed"
    assert Transaction.objects.filter(tenant_id=book.context["tenant_id"]).count() == 6


def test_what_is_sent_once_for_all_postings_is_read_so():
    """An attribute that only the sender knew as shared would be lost in silence."""
    text = Path("metering/sql/metering_read_columns.sql").read_text(encoding="utf-8")
    for sent, own, shared in (
        (posting_columns.SHARED, r"item\.", "shared"),
        (posting_columns.SHARED_OF_FACT, r"item\.fact_", "shared_fact"),
        (posting_columns.SHARED_OF_COST, r"cost\.", "shared_cost"),
    ):
        assert set(re.findall(rf"coalesce\({own}(\w+), {shared}\.\1\)", text)) == sent
