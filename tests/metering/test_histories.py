"""A random history and a plain Python model of the ledger agree after each step, and the ledger with itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ledger.errors import LedgerError
from metering import selectors, services
from metering.integrity import checks
from metering.selectors import rollups
from tests.factories import TenantFactory

AMOUNTS = st.decimals(min_value=0, max_value=1000, places=6)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "complete", "cancel", "cost", "supersede", "facts", "replay"]), st.integers(0, 5), AMOUNTS, st.booleans()
    ),
    min_size=1,
    max_size=25,
)
CLOSED = {"cancelled"}


@dataclass
class Line:
    amount: Decimal
    is_estimate: bool
    is_inferred: bool = False
    is_active: bool = True


@dataclass
class Life:
    id: str
    key: str
    facts: dict
    status: str = "authorized"
    outcome: str | None = None
    lines: list[Line] = field(default_factory=list)
    has_response: bool = False

    def supersede(self, is_replaced: Callable[[Line], bool]) -> bool:
        """Whether any active line was replaced."""
        replaced = [line for line in self.active if is_replaced(line)]
        for line in replaced:
            line.is_active = False
        return bool(replaced)

    @property
    def active(self) -> list[Line]:
        return [line for line in self.lines if line.is_active]


class Model:
    """What the ledger ought to hold, in the fewest words."""

    def __init__(self, tenant_id) -> None:
        self.context = {"tenant_id": tenant_id, "actor": "command:test", "request_id": ""}
        self.lives: list[Life] = []

    def take(self, step: str, pick: int, amount: Decimal, flag: bool) -> None:
        if step == "create" or not self.lives:
            self.create(amount, flag)
            return
        getattr(self, step)(self.lives[pick % len(self.lives)], amount, flag)

    def create(self, amount: Decimal, flag: bool) -> None:
        cost = {"fiat_amount": amount, "fiat_asset_symbol": "USD", "is_estimate": flag}
        names = {"service_name": "s", "action_name": "a", "resource_name": "gpt-4"}
        given = names | {"costs": [cost] * (1 + flag), "agent_name": "agent" if flag else None}
        key = str(len(self.lives))
        row = services.record_transaction(**self.context, **given, idempotency_key=key).row
        self.lives.append(Life(row["id"], key, given, lines=[Line(amount, flag) for _ in given["costs"]]))

    def replay(self, life: Life, amount: Decimal, flag: bool) -> None:
        again = services.record_transaction(**self.context, **life.facts, idempotency_key=life.key)
        assert (again.replayed, again.row["id"], again.row["status"]) == (True, life.id, life.status)

    def complete(self, life: Life, amount: Decimal, flag: bool) -> None:
        outcome = "success" if flag else "error"
        if self.allowed(life.status == "authorized", services.complete_transaction, transaction_id=life.id, outcome=outcome):
            life.status, life.outcome = "completed", outcome

    def cancel(self, life: Life, amount: Decimal, flag: bool) -> None:
        if self.allowed(life.status == "authorized", services.cancel_transaction, transaction_id=life.id):
            life.status = "cancelled"
            if life.supersede(lambda line: line.is_estimate):
                life.lines.append(Line(Decimal(0), False))

    def cost(self, life: Life, amount: Decimal, flag: bool) -> None:
        facts = {"fiat_amount": amount, "fiat_asset_symbol": "USD", "is_estimate": flag}
        if self.allowed(life.status not in CLOSED, services.record_cost, transaction_id=life.id, **facts):
            life.lines.append(Line(amount, flag))

    def supersede(self, life: Life, amount: Decimal, flag: bool) -> None:
        """The first or the last cost, be it active or not."""
        position = 0 if flag else -1
        rows = selectors.list_costs(tenant_id=self.context["tenant_id"], transaction_id=life.id)
        given = {"fiat_amount": amount, "fiat_asset_symbol": "USD", "is_estimate": False, "supersedes_cost_id": rows[position]["id"]}
        line = life.lines[position]
        if self.allowed(life.status not in CLOSED and line.is_active, services.record_cost, transaction_id=life.id, **given):
            line.is_active = False
            life.lines.append(Line(amount, False))

    def facts(self, life: Life, amount: Decimal, flag: bool) -> None:
        tokens = int(amount)
        given = {"source": "s", "version": "1", "fact_phase": "partial" if flag else "response"}
        reported = f'{{"inputTokens": {tokens}, "outputTokens": 0}}'
        if not self.allowed(life.status not in CLOSED, services.record_fact, transaction_id=life.id, facts=reported, **given):
            return
        is_late = flag and life.has_response
        life.has_response |= not flag
        knows_actual = any(not line.is_estimate for line in life.active)
        replaceable = [line for line in life.active if line.is_inferred or line.is_estimate]
        if is_late or (knows_actual and (flag or not replaceable)):
            return
        life.supersede(lambda line: line.is_inferred or line.is_estimate)
        life.lines.append(Line(Decimal(tokens) * 30 / 1_000_000, flag, is_inferred=True))

    def allowed(self, is_allowed: bool, service, **given) -> bool:
        """The service does what the model allows, and refuses what it doesn't."""
        if is_allowed:
            service(**self.context, **given)
            return True
        with pytest.raises(LedgerError):
            service(**self.context, **given)
        return False

    def agree(self) -> None:
        rows = selectors.get_transactions(tenant_id=self.context["tenant_id"], ids=[life.id for life in self.lives])
        for life in self.lives:
            row = rows[life.id]
            assert (row["status"], row["outcome"]) == (life.status, life.outcome)
            book = [(cost["fiat_amount"], cost["is_estimate"], cost["is_active"]) for cost in row["costs"]]
            assert book == [(line.amount, line.is_estimate, line.is_active) for line in life.lines]
        assert list(checks.find_violations(tenant_id=self.context["tenant_id"])) == []
        tomorrow = rows[self.lives[0].id]["created_at"] + 2 * rollups.DAY
        summary = rollups.get_summary(tenant_id=self.context["tenant_id"], since=None, until=rollups.start_of(tomorrow, rollups.DAY))
        active = [line for life in self.lives for line in life.active]
        assert summary["transactions"] == len(self.lives)
        assert summary["succeeded"] == sum(life.outcome == "success" for life in self.lives)
        assert summary["cancelled"] == sum(life.status == "cancelled" for life in self.lives)
        assert sum(spend["amount"] for spend in summary["costs"]) == sum(line.amount for line in active)
        assert sum(spend["estimated"] for spend in summary["costs"]) == sum(line.amount for line in active if line.is_estimate)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_the_book_is_what_its_history_says(db, steps):
    model = Model(TenantFactory().id)
    for step in steps:
        model.take(*step)
        model.agree()
