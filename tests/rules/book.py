"""A tenant with spending rules, and the calls that tests make in it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

import billing.services
from kernel.ledger.identifiers import new_id
from metering import services
from metering.integrity import checks
from metering.models import Policy, Transaction
from metering.rules import integrity
from metering.rules.models import AgentRule, RuleCondition, RuleCounter, RuleParameter, SpendingRule
from metering.rules.services.counting import lock_rules, rules_changed
from tests.factories import TenantFactory

NAMES = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"}
DAY = {"interval_value": 1, "interval_unit": "days"}
COSTS = {"measurement_type": "sum_transaction_costs"}
COUNT = {"measurement_type": "count_transactions"}


def cost(amount: Any, *, estimate: bool = True, currency: str = "USD") -> dict[str, Any]:
    return {"fiat_amount": Decimal(str(amount)), "fiat_asset_symbol": currency, "is_estimate": estimate}


def limit(value: Any, **more: Any) -> dict[str, Any]:
    """A parameter: by default at most so much cost in any 24 hours."""
    return {"limit_value": Decimal(str(value)), "currency": "USD", "time_zone": "UTC"} | COSTS | DAY | more


def condition(field_type: str, operator: str, value: str, *, name: str | None = None, group: str = "primary") -> dict[str, Any]:
    return {"field_type": field_type, "field_name": name, "operator": operator, "value": value, "condition_group": group}


class RuleBook:
    """One tenant's. Rules are written as the services of their definitions write them."""

    def fund(self, amount: Any = 1000) -> "RuleBook":
        """Put money into the wallet, so that payments can be held."""
        named = {"type": "topup", "reference_id": "fund", "currency": "USD"}
        billing.services.record_transaction(**self.who, amount=Decimal(amount), **named)
        return self

    def __init__(self, tenant: Any = None) -> None:
        self.tenant = tenant or TenantFactory()
        self.tenant_id: UUID = self.tenant.id
        self.who = {"tenant_id": self.tenant_id, "actor": "command:test", "request_id": "test"}
        self.rules = 0
        # Whether a cost came after its decision: sums may then be above their limits.
        self.late = False

    def add_rule(
        self, *limits: dict[str, Any], conditions: Any = (), agents: Any = (), rule_type: str = "usage_limit", **more: Any
    ) -> SpendingRule:
        self.rules += 1
        rule = SpendingRule(
            id=new_id(),
            tenant_id=self.tenant_id,
            numeric_id=self.rules,
            name=f"rule {self.rules}",
            rule_type=rule_type,
            actor="test",
            **more,
        )
        its = {"tenant_id": self.tenant_id, "rule_id": rule.id}
        with transaction.atomic():
            lock_rules(tenant_id=self.tenant_id)
            rule.save(force_insert=True)
            for each in limits:
                RuleParameter.objects.create(**its, **each)
            for each in conditions:
                RuleCondition.objects.create(**its, **each)
            for agent in agents:
                AgentRule.objects.create(**its, agent_id=agent)
            rules_changed(tenant_id=self.tenant_id, rule_id=rule.id, actor="test")
        return rule

    def change_rule(self, rule: SpendingRule, *, limit_value: Any = None, **changes: Any) -> None:
        with transaction.atomic():
            lock_rules(tenant_id=self.tenant_id)
            SpendingRule.objects.filter(tenant_id=self.tenant_id, id=rule.id).update(version=F("version") + 1, **changes)
            if limit_value is not None:
                RuleParameter.objects.filter(tenant_id=self.tenant_id, rule_id=rule.id).update(limit_value=limit_value)
            rules_changed(tenant_id=self.tenant_id, rule_id=rule.id, actor="test")

    def record(self, *stated: dict[str, Any], **more: Any) -> Any:
        return services.record_transaction(**self.who, **NAMES | more, costs=list(stated)).row

    def add_cost(self, row: Any, amount: Any, **more: Any) -> Any:
        its = {"transaction_id": row["id"], "fiat_amount": Decimal(str(amount)), "fiat_asset_symbol": "USD", "is_estimate": False}
        return services.record_cost(**self.who, **its | more).row["cost"]

    def cancel(self, row: Any) -> Any:
        return services.cancel_transaction(**self.who, transaction_id=row["id"]).row

    def has_rules(self) -> bool:
        return Policy.objects.get(tenant_id=self.tenant_id).has_rules

    def statuses(self, *rows: Any) -> list[str]:
        return [row["status"] for row in rows]

    def used(self) -> dict[str, Decimal]:
        """The counters' sums by group."""
        return {counter.group_key: counter.used for counter in RuleCounter.objects.filter(tenant_id=self.tenant_id)}

    def authorized(self) -> int:
        return Transaction.objects.filter(tenant_id=self.tenant_id).exclude(status="denied").count()

    def is_sound(self) -> None:
        assert list(checks.find_violations(tenant_id=self.tenant_id, at_most=5)) == []
        assert list(integrity.find_violations(tenant_id=self.tenant_id, at_most=5)) == []
