"""Facts in any order, about one or several model calls: what a transaction costs, against a model in a few lines of Python.

Every fact is priced by its `tokens` at one dollar each; without `rest` all of them are understood, with it the cost is an estimate.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering import services
from metering.integrity import checks
from metering.models import Cost, Fact
from metering.services.posting_rows import AdditionRow
from tests.factories import IssuedKeyFactory, TenantFactory
from tests.metering.conftest import Caller

URL = "/v1/transactions"
CURRENCIES = ("USD", "EUR")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Row:
    """An active cost: what it came from (None: its caller stated it), and about which model call."""

    amount: int
    currency: str
    is_estimate: bool
    phase: str | None = None
    call: str | None = None


@dataclass
class Model:
    """One transaction, its active costs and the responses that it has."""

    active: list[Row] = field(default_factory=list)
    responses: set[str | None] = field(default_factory=set)

    def state(self, amount: int, currency: str, *, is_estimate: bool) -> None:
        self.active.append(Row(amount, currency, is_estimate))

    def report(self, phase: str, call: str | None, amount: int, *, is_partly_read: bool) -> tuple[str, list[int]]:
        """The status of the pricing, and the amounts that the fact's cost superseded."""
        new = Row(amount, "USD", phase == "partial" or is_partly_read, phase, call)
        is_late = phase != "response" and (call in self.responses if call else bool(self.responses))
        if phase == "response":
            self.responses.add(call)
        if is_late:
            return "late", []
        replaced = [row for row in self.active if self._replaces(new, row)]
        knows_actual = any(not row.is_estimate and self._concerns(new, row) for row in self.active)
        if knows_actual and (new.is_estimate or not replaced):
            return "already_known", []
        self.active = [row for row in self.active if row not in replaced] + [new]
        return "partly_read" if is_partly_read else "priced", sorted(row.amount for row in replaced)

    def _replaces(self, new: Row, row: Row) -> bool:
        is_stated = row.phase is None
        if not is_stated and row.call == new.call:
            return True
        if not is_stated and row.call is None and row.phase != "response" and new.phase == "response":
            return True
        return row.is_estimate and row.currency == new.currency and (is_stated or row.call is None or new.call is None)

    def _concerns(self, new: Row, row: Row) -> bool:
        if row.phase is None or row.call == new.call:
            return True
        return new.is_estimate and None in (row.call, new.call)

    def total(self) -> dict[str, int]:
        return {currency: sum(row.amount for row in self.active if row.currency == currency) for currency in CURRENCIES}


# Amounts are powers of two, so that a wrong sum can't come out right by chance.
stated = st.tuples(st.just("cost"), st.sampled_from(CURRENCIES), st.booleans())
reported = st.tuples(
    st.just("fact"), st.sampled_from(["response", "response", "partial", "error"]), st.sampled_from([None, "a", "b"]), st.booleans()
)
histories = st.lists(st.one_of(reported, reported, reported, stated), min_size=1, max_size=8)


def start(tenant_id: Any, offered: Iterable[bool] = ()) -> dict[str, Any]:
    """A transaction of a tenant that pays a dollar for each unit; the arguments of every call about it."""
    context: dict[str, Any] = {"tenant_id": tenant_id, "actor": "command:test", "request_id": ""}
    services.set_price(**context, service_name="s", currency="USD", units=[services.parse_unit("tokens=1")], valid_from=LONG_AGO)
    estimates = [{"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": is_estimate} for is_estimate in offered]
    recorded = services.record_transaction(**context, service_name="s", costs=estimates)
    return context | {"transaction_id": recorded.row["id"]}


def report(its: dict[str, Any], phase: str, call: str | None, amount: int, *, is_partly_read: bool) -> AdditionRow:
    usage = json.dumps({"tokens": amount} | ({"rest_tokens": 1} if is_partly_read else {}))
    return services.record_fact(**its, source="s", version="1", fact_phase=phase, facts=usage, call_id=call).row


def active_sums(its: dict[str, Any]) -> dict[str, int]:
    rows = Cost.objects.filter(tenant_id=its["tenant_id"], transaction_id=its["transaction_id"], is_active=True)
    return {currency: sum(int(row.fiat_amount) for row in rows if row.fiat_asset_symbol == currency) for currency in CURRENCIES}


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_a_random_history_costs_what_the_model_says(history):
    its, model = start(TenantFactory().id), Model()
    for place, (kind, *parts) in enumerate(history):
        amount = 2**place
        if kind == "cost":
            currency, is_estimate = parts
            model.state(amount, currency, is_estimate=is_estimate)
            services.record_cost(**its, fiat_amount=Decimal(amount), fiat_asset_symbol=currency, is_estimate=is_estimate)
            continue
        phase, call, is_partly_read = parts
        expected, replaced = model.report(phase, call, amount, is_partly_read=is_partly_read)
        done = report(its, phase, call, amount, is_partly_read=is_partly_read)
        assert done["pricing"] is not None
        assert done["pricing"]["status"] == expected
        assert sorted(int(row["fiat_amount"]) for row in done["superseded"] or ()) == replaced
        assert active_sums(its) == model.total()
    assert list(checks.find_violations(tenant_id=its["tenant_id"])) == []


def outcome_of(order: Iterable[tuple[str, str | None, int]]) -> dict[str, int]:
    its = start(TenantFactory().id, offered=[True, True])
    for phase, call, amount in order:
        report(its, phase, call, amount, is_partly_read=False)
    return active_sums(its)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), calls=st.lists(st.sampled_from([None, "a", "b"]), unique=True, min_size=1))
def test_the_order_of_the_reports_about_a_call_does_not_matter(data, calls):
    responses = [("response", call, 8**place) for place, call in enumerate(calls)]
    sent = [*responses, *(("partial", call, 3) for call in calls), ("error", calls[0], 5)]
    assert outcome_of(data.draw(st.permutations(sent))) == {"USD": sum(amount for _, _, amount in responses), "EUR": 0}


@pytest.fixture
def priced(db):
    caller = Caller(IssuedKeyFactory())
    unit = services.parse_unit("tokens=1")
    services.set_price(
        tenant_id=caller.tenant.id, actor="staff:1", request_id="", service_name="s", currency="USD", units=[unit], valid_from=LONG_AGO
    )
    return caller


def body(phase: str, units: int, **more: Any) -> dict[str, Any]:
    return {"source": "s", "version": "1", "factPhase": phase, "facts": {"tokens": units}} | more


def test_two_estimates_and_an_actual_cost_are_the_actual_cost_and_the_reply_lists_what_it_superseded(priced):
    estimates = [{"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": True} for amount in ("0.01", "0.02")]
    created = priced.create(serviceName="s", costs=estimates)
    reply = priced.post(f"{URL}/{created['id']}/complete", {"outcome": "success", "responseFacts": body("response", 3)}).json()
    listed = {cost["costId"]: cost["fiatAmount"] for cost in reply["superseded"]}
    assert listed == {cost["id"]: cost["fiatAmount"] for cost in created["costs"]}
    assert priced.get(f"{URL}/{created['id']}/costs").json()["totalActiveCostUsd"] == f"{3:.18f}"


def test_calls_with_an_id_add_up_and_without_one_the_last_response_counts_and_the_reply_says_so(priced):
    path = f"{URL}/{priced.create(serviceName='s')['id']}"
    for call, units in (("a", 1), ("b", 2)):
        reply = priced.post(f"{path}/facts", body("response", units, callId=call)).json()
        assert (reply["pricing"]["note"], "superseded" in reply) == (None, False)
    assert priced.get(f"{path}/costs").json()["totalActiveCostUsd"] == f"{3:.18f}"
    assert [fact["callId"] for fact in priced.get(f"{path}/facts").json()["facts"]] == ["a", "b"]
    path = f"{URL}/{priced.create(serviceName='s')['id']}"
    first = priced.post(f"{path}/facts", body("response", 1)).json()
    last = priced.post(f"{path}/facts", body("response", 2)).json()
    assert last["pricing"]["note"] == "without callId the last response counts"
    assert last["superseded"] == [{"costId": first["costId"], "fiatAmount": f"{1:.18f}"}]
    assert priced.get(f"{path}/costs").json()["totalActiveCostUsd"] == f"{2:.18f}"


def test_a_late_partial_or_error_report_is_kept_and_changes_no_cost(priced):
    path = f"{URL}/{priced.create(serviceName='s')['id']}"
    priced.post(f"{path}/complete", {"outcome": "success", "responseFacts": body("response", 5, callId="a")})
    for phase, call in (("partial", "a"), ("error", "a"), ("partial", None), ("error", None)):
        reply = priced.post(f"{path}/facts", body(phase, 1, callId=call)).json()
        assert (reply["pricing"]["status"], "costId" in reply) == ("late", False)
    assert Fact.objects.count() == 5
    assert priced.get(f"{path}/costs").json()["totalActiveCostUsd"] == f"{5:.18f}"


def test_the_call_is_one_of_the_facts_that_are_compared(priced):
    path, key = f"{URL}/{priced.create(serviceName='s')['id']}/facts", {"Idempotency-Key": "k"}
    first = priced.post(path, body("response", 1, callId="a"), **key)
    assert priced.post(path, body("response", 1, callId="a"), **key).json() == first.json()
    assert "(callId)" in priced.post(path, body("response", 1, callId="b"), **key).json()["message"]
    for bad in ("", "x" * 256, " a", 5, {}):
        assert priced.post(path, body("response", 1, callId=bad)).status_code == 400


def test_completing_says_what_it_superseded_again_when_it_is_repeated(priced):
    estimate = {"fiatAmount": "0.01", "fiatAssetSymbol": "USD", "isEstimate": True}
    created, key = priced.create(serviceName="s", costs=[estimate]), {"Idempotency-Key": "k"}
    ending = {"outcome": "success", "responseFacts": body("response", 3)}
    first, again = (priced.post(f"{URL}/{created['id']}/complete", ending, **key).json() for _ in range(2))
    assert first == again
    assert [cost["costId"] for cost in again["superseded"]] == [created["costs"][0]["id"]]
