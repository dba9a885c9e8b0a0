"""Random histories: each decision and each sum is what a plain Python model makes of the same calls, while time jumps and steps back."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from metering import services
from metering.models import Agent
from metering.rules.models import AuthorizationRequest, RuleCounter, RuleMeasure
from tests.rules.book import COUNT, RuleBook, condition, cost, limit

pytestmark = pytest.mark.django_db
HISTORIES = 200
BERLIN = ZoneInfo("Europe/Berlin")
# Beyond the present, so that what is recorded is dated by the time that the tests set.
START = datetime(2026, 12, 1, 12, tzinfo=UTC)
AGENTS = ("a", "b")
LIMITS = (
    limit(5, interval_value=10, interval_unit="minutes"),
    limit(3, **COUNT, interval_value=7, interval_unit="minutes", group_by=["agent"]),
    limit(9, interval_value=1, interval_unit="hours", is_rolling=False, include_estimates=False),
    limit(12, interval_value=1, interval_unit="days", is_rolling=False, time_zone="Europe/Berlin", group_by=["service", "agent"]),
    limit(6, interval_value=30, interval_unit="minutes", measurement_scope="rule"),
    limit(4, interval_value=20, interval_unit="minutes", currency="EUR"),
)
CONDITION = condition("service", "equals", "s0")


@dataclass
class Deal:
    """A transaction as the model knows it. `at`: when it was let through."""

    row: Any
    agent: str
    service: str
    costs: list[list[Any]]
    at: datetime | None = None

    def amount(self, terms: dict[str, Any]) -> Decimal | None:
        if terms["measurement_type"] == "count_transactions":
            return Decimal(1)
        own = [each for each in self.costs if each[2] == terms["currency"]]
        if terms.get("include_estimates", True):
            return sum((each[0] for each in own), Decimal(0)) if self.costs else None
        actual = [each[0] for each in own if not each[1]]
        return sum(actual, Decimal(0)) if self.costs and (actual or not own) else None

    def group(self, terms: dict[str, Any]) -> tuple[str, ...]:
        return tuple({"agent": self.agent, "service": self.service}[word] for word in terms.get("group_by", []))


@dataclass
class Model:
    """All that was let through; every window is summed anew for each question."""

    rules: list[tuple[list[dict[str, Any]], bool]]
    deals: list[Deal] = field(default_factory=list)

    def used(self, terms: dict[str, Any], *, scoped: bool, group: tuple[str, ...], now: datetime) -> Decimal:
        first = begin(terms, now)
        return sum(
            (
                deal.amount(terms) or Decimal(0)
                for deal in self.deals
                if deal.at is not None and deal.at > first and deal.group(terms) == group and (not scoped or deal.service == "s0")
            ),
            Decimal(0),
        )

    def allows(self, deal: Deal, now: datetime) -> bool:
        for limits, has_condition in self.rules:
            if has_condition and deal.service != "s0":
                continue
            for terms in limits:
                scoped = has_condition and terms.get("measurement_scope") == "rule"
                used = self.used(terms, scoped=scoped, group=deal.group(terms), now=now)
                amount = deal.amount(terms)
                if used >= terms["limit_value"] if amount is None else used + amount > terms["limit_value"]:
                    return False
        return True


def begin(terms: dict[str, Any], now: datetime) -> datetime:
    """What is dated at or before this moment is out."""
    unit = timedelta(**{terms["interval_unit"]: terms["interval_value"]})
    if terms.get("is_rolling", True):
        return now - unit
    if terms["interval_unit"] == "days":
        midnight = now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.astimezone(UTC) - timedelta(microseconds=1)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return now - (now - epoch) % unit - timedelta(microseconds=1)


@pytest.mark.parametrize("part", range(4))
def test_decisions_and_sums_are_those_of_the_model(part):
    for history in range(part, HISTORIES, 4):
        book = run_history(random.Random(history))
        # The proof reads everything; the model has compared each sum already.
        if history % 20 == part:
            book.is_sound()


def run_history(rng: random.Random) -> RuleBook:
    book = RuleBook()
    chosen = rng.sample(LIMITS, rng.randrange(1, 4))
    has_condition = any(terms.get("measurement_scope") == "rule" for terms in chosen)
    model = Model([(chosen, has_condition)])
    with time_machine.travel(START, tick=False):
        book.add_rule(*chosen, conditions=[CONDITION] if has_condition else ())
    clock = START
    for _ in range(12):
        clock += timedelta(seconds=rng.choice([0, 20, 61, 200, 600, 1800, 7200, -30]))
        with time_machine.travel(clock, tick=False):
            take_step(book, model, rng)
    for counter in RuleCounter.objects.filter(tenant_id=book.tenant_id):
        compare(counter, model, chosen, has_condition)
    return book


def take_step(book: RuleBook, model: Model, rng: random.Random) -> None:
    let_through = [deal for deal in model.deals if deal.row is not None]
    if not let_through or rng.random() < 0.6:
        create(book, model, rng)
        return
    deal = rng.choice(let_through)
    amount = Decimal(rng.choice(["0.25", "1", "3"]))
    step = rng.random()
    if step < 0.4:
        made = book.add_cost(deal.row, amount)
        deal.costs.append([amount, False, "USD", made["id"]])
    elif step < 0.7 and deal.costs:
        made = book.add_cost(deal.row, amount, supersedes_cost_id=deal.costs[0][3])
        deal.costs[0] = [amount, False, "USD", made["id"]]
    else:
        services.cancel_transaction(**book.who, transaction_id=deal.row["id"])
        # Each currency's estimates are superseded by zero.
        deal.costs = [[Decimal(0) if estimate else amount, False, currency, None] for amount, estimate, currency, _ in deal.costs]
        deal.row = None


def create(book: RuleBook, model: Model, rng: random.Random) -> None:
    agent, service = rng.choice(AGENTS), f"s{rng.randrange(2)}"
    stated = [
        [Decimal(rng.choice(["0.5", "1", "2.5"])), rng.random() < 0.6, rng.choice(["USD", "USD", "EUR"])] for _ in range(rng.randrange(3))
    ]
    row = book.record(
        *(cost(amount, estimate=estimate, currency=currency) for amount, estimate, currency in stated),
        agent_name=agent,
        service_name=service,
    )
    decided = AuthorizationRequest.objects.get(tenant_id=book.tenant_id, transaction_id=row["id"])
    now = decided.decided_at
    deal = Deal(row, agent, service, stated)
    assert (row["status"] == "authorized") == model.allows(deal, now), (row, json.loads(decided.executions))
    if row["status"] == "authorized":
        deal.at = now
        deal.costs = [[*each, made["id"]] for each, made in zip(stated, row["costs"], strict=True)]
        model.deals.append(deal)


def compare(counter: RuleCounter, model: Model, chosen: list[dict[str, Any]], has_condition: bool) -> None:
    """The counter's sum, at the moment of its last decision."""
    measure = RuleMeasure.objects.get(id=counter.measure_id)
    agents = dict(zip(measure.group_by, json.loads(counter.group_key), strict=True))
    for terms in chosen:
        same = ("measurement_type", "interval_value", "interval_unit")
        if any(getattr(measure, name) != terms[name] for name in same) or measure.group_by != terms.get("group_by", []):
            continue
        if measure.currency not in ("", terms["currency"]) or measure.is_rolling != terms.get("is_rolling", True):
            continue
        group = tuple(agents[word] if word == "service" else name_of(agents[word]) for word in measure.group_by)
        scoped = has_condition and terms.get("measurement_scope") == "rule"
        assert counter.used == model.used(terms, scoped=scoped, group=group, now=counter.last_at)


def name_of(agent_id: str) -> str:
    return Agent.objects.get(id=agent_id).name
