"""Reads of rules with their parameters, conditions and agents.

A rule's row is a dictionary: the columns of RULE and `formatted_id`; with_parts adds `parameters`, `conditions` and `agent_rules`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from kernel.ledger.errors import NotFound
from metering.models import Agent
from metering.rules.choices import (
    SYSTEM_RULE_ID,
    SYSTEM_RULE_NAME,
    SYSTEM_RULE_NUMBER,
    ResolutionStrategy,
    RuleStatus,
    RuleType,
)
from metering.rules.models import AgentRule, RuleCondition, RuleParameter, RuleVersion, SpendingRule
from metering.rules.selectors.executions import transactions_with_rule
from metering.selectors import AGENT, RowDict, rows_of

RULE = (
    "id",
    "tenant_id",
    "numeric_id",
    "name",
    "rule_type",
    "resolution_strategy",
    "status",
    "version",
    "metadata",
    "notify_at",
    "is_seeding",
    "created_at",
    "updated_at",
    "deleted_at",
    "actor",
)
OF_RULE = ("id", "rule_id", "tenant_id", "created_at", "updated_at")
# The columns of a parameter, and of a condition, that the caller sets.
PARAMETER = (
    "parameter_name",
    "limit_value",
    "measurement_type",
    "interval_value",
    "interval_unit",
    "is_rolling",
    "group_by",
    "measurement_scope",
    "include_estimates",
    "currency",
    "time_zone",
    "description",
)
CONDITION = ("field_type", "field_name", "operator", "value", "condition_group")
FORMATTED_ID = re.compile(r"RL-([0-9]{3,9})\Z", re.ASCII)
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z", re.ASCII)
CURRENT = Q(removed_at__isnull=True)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def format_rule_id(numeric_id: int) -> str:
    """`RL-001`."""
    return f"RL-{numeric_id:03}"


def list_rules(*, tenant_id: UUID, status: str | None = None, agent_id: UUID | None = None) -> QuerySet[Any, Any]:
    """The tenant's rules; archived ones only where `status` says so. `agent_id`: those that name the agent, or apply to all agents."""
    conditions = Q(tenant_id=tenant_id)
    conditions &= Q(status=status) if status is not None else ~Q(status=RuleStatus.ARCHIVED)
    if agent_id is not None:
        named = AgentRule.objects.filter(CURRENT, tenant_id=tenant_id, rule_id=OuterRef("id"))
        conditions &= Exists(named.filter(agent_id=agent_id)) | ~Exists(named)
    found: QuerySet[Any, Any] = SpendingRule.objects.filter(conditions).values(*RULE)
    return found


def get_rule(*, tenant_id: UUID, reference: str) -> RowDict:
    """A rule with its parts, by its id or by `RL-001`; the system rule by its id only. Raises NotFound."""
    if reference.lower() == str(SYSTEM_RULE_ID):
        return system_rule()
    rows = SpendingRule.objects.filter(_referred(reference), tenant_id=tenant_id).values(*RULE)
    found = with_parts(rows)
    if not found:
        raise NotFound(kind="rule", id=reference)
    return found[0]


def get_rule_id(*, tenant_id: UUID, reference: str) -> UUID:
    """The id of a rule by its id or by `RL-001`, that of the system rule too. Raises NotFound."""
    if reference.lower() == str(SYSTEM_RULE_ID):
        return SYSTEM_RULE_ID
    found = SpendingRule.objects.filter(_referred(reference), tenant_id=tenant_id).values_list("id", flat=True).first()
    if found is None:
        raise NotFound(kind="rule", id=reference)
    return found


def narrow_to_rule(transactions: QuerySet[Any, Any], *, tenant_id: UUID, reference: str | None) -> QuerySet[Any, Any]:
    """Those of the transactions on which a rule decided; all of them without a reference, none where there is no such rule."""
    if reference is None:
        return transactions
    try:
        rule_id = get_rule_id(tenant_id=tenant_id, reference=reference)
    except NotFound:
        return transactions.none()
    return transactions.filter(id__in=transactions_with_rule(tenant_id=tenant_id, rule_id=rule_id))


def _referred(reference: str) -> Q:
    """The condition on a rule by what a path names; one that matches nothing where it names no rule at all."""
    number = FORMATTED_ID.match(reference)
    if number:
        return Q(numeric_id=int(number[1]))
    return Q(id=UUID(reference)) if UUID_TEXT.match(reference) else Q(pk__in=[])


def system_rule() -> RowDict:
    """The rule that payments are decided by, as a rule's row of no tenant."""
    return {
        "id": SYSTEM_RULE_ID,
        "tenant_id": None,
        "numeric_id": SYSTEM_RULE_NUMBER,
        "formatted_id": "SYSTEM",
        "name": SYSTEM_RULE_NAME,
        "rule_type": RuleType.PAYMENT_AUTHORIZATION,
        "resolution_strategy": ResolutionStrategy.AUTOMATIC,
        "status": RuleStatus.ACTIVE,
        "version": 1,
        "metadata": None,
        "notify_at": None,
        "is_seeding": False,
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
        "deleted_at": None,
        "actor": "",
        "parameters": [],
        "conditions": [],
        "agent_rules": [],
    }


def with_parts(rows: Iterable[RowDict]) -> list[RowDict]:
    """Rules with their parameters, conditions and agents, each in the order in which they were made: three queries, however many."""
    rows = [row | {"formatted_id": format_rule_id(row["numeric_id"])} for row in rows]
    parts: dict[str, dict[UUID, list[RowDict]]] = {
        name: {row["id"]: [] for row in rows} for name in ("parameters", "conditions", "agent_rules")
    }
    keys = {"tenant_id": rows[0]["tenant_id"], "rule_id__in": [row["id"] for row in rows]} if rows else {}
    for name, found in _current_parts(keys) if rows else ():
        for part in found:
            parts[name][part["rule_id"]].append(part)
    return [row | {name: found[row["id"]] for name, found in parts.items()} for row in rows]


def _current_parts(keys: RowDict) -> Iterable[tuple[str, list[RowDict]]]:
    yield "parameters", rows_of(RuleParameter.objects.filter(CURRENT, **keys).order_by("id").values(*OF_RULE, *PARAMETER))
    yield "conditions", rows_of(RuleCondition.objects.filter(CURRENT, **keys).order_by("id").values(*OF_RULE, *CONDITION))
    agents = rows_of(
        AgentRule.objects.filter(CURRENT, **keys).order_by("id").values(*OF_RULE, "agent_id", *(f"agent__{name}" for name in AGENT))
    )
    yield "agent_rules", [row | {"agent": {name: row[f"agent__{name}"] for name in AGENT}} for row in agents]


def get_parameter(*, tenant_id: UUID, reference: str, parameter_id: UUID) -> RowDict:
    """One parameter of a rule, a replaced one too. Raises NotFound."""
    return _get_part(RuleParameter, "parameter", PARAMETER, tenant_id=tenant_id, reference=reference, part_id=parameter_id)


def get_added_parameter(*, tenant_id: UUID, rule_id: UUID, moment: datetime) -> RowDict:
    """The parameter that a change at this moment added. Raises NotFound."""
    added = RuleParameter.objects.filter(tenant_id=tenant_id, rule_id=rule_id, created_at=moment)
    found: Any = added.order_by("-id").values(*OF_RULE, *PARAMETER).first()
    if found is None:
        raise NotFound(kind="parameter", id=rule_id)
    return found


def get_condition(*, tenant_id: UUID, reference: str, condition_id: UUID) -> RowDict:
    """One condition of a rule, a replaced one too. Raises NotFound."""
    return _get_part(RuleCondition, "condition", CONDITION, tenant_id=tenant_id, reference=reference, part_id=condition_id)


def _get_part(model: Any, kind: str, columns: tuple[str, ...], *, tenant_id: UUID, reference: str, part_id: UUID) -> RowDict:
    rule_id = get_rule_id(tenant_id=tenant_id, reference=reference)
    found: Any = model.objects.filter(tenant_id=tenant_id, rule_id=rule_id, id=part_id).values(*OF_RULE, *columns).first()
    if found is None:
        raise NotFound(kind=kind, id=part_id)
    return found


def list_versions(*, tenant_id: UUID, rule_id: UUID) -> list[RowDict]:
    """Every version of a rule, newest first."""
    found = RuleVersion.objects.filter(tenant_id=tenant_id, rule_id=rule_id).order_by("-version")
    return rows_of(found.values("version", "change", "definition", "actor", "created_at"))


def number_agents(*, tenant_id: UUID) -> dict[UUID, int]:
    """The place of each of the tenant's agents in the order in which they were made, from 1."""
    numbered = Agent.objects.filter(tenant_id=tenant_id).annotate(place=Window(RowNumber(), order_by=F("id").asc()))
    return dict(numbered.values_list("id", "place"))
