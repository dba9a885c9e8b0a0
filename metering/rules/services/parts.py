"""Writes the parameters, conditions and agents of a rule. What a change replaces keeps its row, with `removed_at`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q

from metering.rules.models import AgentRule, RuleCondition, RuleParameter, SpendingRule
from metering.rules.selectors.definitions import CONDITION, PARAMETER
from metering.selectors import RowDict

CURRENT = Q(removed_at__isnull=True)
# What may change in a parameter without changing what it measures.
RELAXED = ("parameter_name", "limit_value", "description")


@dataclass(frozen=True, slots=True)
class Parts:
    """The lists that a call states; None where it leaves one as it is."""

    parameters: Sequence[RowDict] | None
    conditions: Sequence[RowDict] | None
    agent_ids: Sequence[UUID] | None

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> "Parts":
        return cls(stated.get("parameters"), stated.get("conditions"), stated.get("agent_ids"))


def replace_parts(rule: SpendingRule, parts: Parts, *, moment: datetime) -> None:
    """Make the rule's parts those that are stated. Rows that say the same stay, so that their ids do."""
    if parts.parameters is not None:
        _replace_parameters(rule, parts.parameters, moment=moment)
    if parts.conditions is not None:
        _replace_conditions(rule, parts.conditions, moment=moment)
    if parts.agent_ids is not None:
        _replace_agents(rule, parts.agent_ids, moment=moment)


def _replace_parameters(rule: SpendingRule, stated: Sequence[RowDict], *, moment: datetime) -> None:
    """A parameter is the stated one if the caller names its id, or if it says the same; it stays if it measures the same."""
    present = list(RuleParameter.objects.filter(CURRENT, tenant_id=rule.tenant_id, rule_id=rule.pk).order_by("id"))
    added = []
    for parameter in stated:
        match = _matching(parameter, present)
        if match is None:
            added.append(parameter)
            continue
        present.remove(match)
        if any(getattr(match, name) != parameter.get(name) for name in RELAXED):
            changes = {name: parameter.get(name) for name in RELAXED}
            RuleParameter.objects.filter(tenant_id=rule.tenant_id, id=match.pk).update(**changes, updated_at=moment)
    _remove(RuleParameter, rule, present, moment=moment)
    add_parameters(rule, added, moment=moment)


def _matching(parameter: RowDict, present: Sequence[RuleParameter]) -> RuleParameter | None:
    """The present parameter that measures the same: the one whose id is stated, else one that says the very same."""
    same = [row for row in present if all(getattr(row, name) == _stated(parameter, name) for name in PARAMETER if name not in RELAXED)]
    named = [row for row in same if row.pk == parameter.get("id")]
    equal = [row for row in same if all(getattr(row, name) == parameter.get(name) for name in RELAXED)]
    return next(iter([*named, *equal]), None)


def _stated(parameter: RowDict, name: str) -> Any:
    return list(parameter.get(name) or ()) if name == "group_by" else parameter.get(name)


def add_parameters(rule: SpendingRule, stated: Sequence[RowDict], *, moment: datetime) -> None:
    for parameter in stated:
        columns = {name: _stated(parameter, name) for name in PARAMETER}
        columns["limit_value"] = Decimal(columns["limit_value"])
        RuleParameter(tenant_id=rule.tenant_id, rule_id=rule.pk, created_at=moment, updated_at=moment, **columns).save(force_insert=True)


def _replace_conditions(rule: SpendingRule, stated: Sequence[RowDict], *, moment: datetime) -> None:
    present = list(RuleCondition.objects.filter(CURRENT, tenant_id=rule.tenant_id, rule_id=rule.pk).order_by("id"))
    added = []
    for condition in stated:
        same = next((row for row in present if all(getattr(row, name) == condition.get(name) for name in CONDITION)), None)
        if same is None:
            added.append(condition)
        else:
            present.remove(same)
    _remove(RuleCondition, rule, present, moment=moment)
    for condition in added:
        columns = {name: condition.get(name) for name in CONDITION}
        RuleCondition(tenant_id=rule.tenant_id, rule_id=rule.pk, created_at=moment, updated_at=moment, **columns).save(force_insert=True)


def _replace_agents(rule: SpendingRule, stated: Sequence[UUID], *, moment: datetime) -> None:
    present = list(AgentRule.objects.filter(CURRENT, tenant_id=rule.tenant_id, rule_id=rule.pk))
    known = {row.agent_id for row in present}
    _remove(AgentRule, rule, [row for row in present if row.agent_id not in stated], moment=moment)
    for agent_id in stated:
        if agent_id not in known:
            keys = {"tenant_id": rule.tenant_id, "rule_id": rule.pk, "agent_id": agent_id}
            AgentRule(created_at=moment, updated_at=moment, **keys).save(force_insert=True)


def _remove(model: Any, rule: SpendingRule, rows: Sequence[Any], *, moment: datetime) -> None:
    if rows:
        gone = model.objects.filter(tenant_id=rule.tenant_id, id__in=[row.pk for row in rows])
        gone.update(removed_at=moment, updated_at=moment)
