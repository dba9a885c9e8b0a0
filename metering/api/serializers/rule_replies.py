"""Replies about spending rules, in the two published forms: flat from the calls that write, JSON:API from those that read."""

from collections.abc import Collection, Mapping
from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Field, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from kernel.api.serializers import Reply
from metering.api.dialect import spending_rule_dialect
from metering.api.serializers.replies import AgentReply, KeyId
from metering.rules.choices import FieldType, IntervalUnit, Measurement, Operator, ResolutionStrategy, RuleStatus, RuleType, Scope


class RuleReply(Reply):
    dialect = spending_rule_dialect


class GroupWords(ListOf):
    """What a parameter's limit is split by; null where it isn't split."""

    def plain(self, value: list[Any]) -> Any:
        return list(value) or None


class Constant(Text):
    """Always the same text."""

    def __init__(self, text: str) -> None:
        super().__init__(source="id")
        self.text = text

    def plain(self, value: Any) -> str:
        return self.text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [self.text]}


class ParameterAttributes(RuleReply):
    parameter_name = Text(required=False)
    limit_value = AmountText(full=True)
    measurement_type = Choice(Measurement.values)
    interval_value = Integer(required=False)
    interval_unit = Choice(IntervalUnit.values, required=False)
    is_rolling = Boolean()
    group_by = GroupWords(Text(), required=False)
    measurement_scope = Choice(Scope.values)
    include_estimates = Boolean()
    currency = Currency()
    time_zone = Text()
    description = Text(required=False)
    created_at = Timestamp()
    updated_at = Timestamp()


class ParameterReply(ParameterAttributes):
    id = Identifier()
    rule_id = Identifier()
    tenant_id = Identifier()


class ConditionAttributes(RuleReply):
    field_type = Choice(FieldType.values)
    field_name = Text(required=False)
    operator = Choice(Operator.values)
    value = Text()
    condition_group = Text()
    created_at = Timestamp()
    updated_at = Timestamp()


class ConditionReply(ConditionAttributes):
    id = Identifier()
    rule_id = Identifier()
    tenant_id = Identifier()


class AgentRuleReply(RuleReply):
    id = Identifier()
    agent_id = Identifier()
    rule_id = Identifier()
    tenant_id = Identifier()
    created_at = Timestamp()
    updated_at = Timestamp()


class AgentRuleWithAgent(AgentRuleReply):
    agent = Nested(AgentReply)


class EditorReply(RuleReply):
    """Who made the newest version; null where it was a person."""

    api_key_id = KeyId(source="actor", required=False)


class FlatRuleReply(RuleReply):
    """A rule as the calls that write answer it."""

    id = Identifier()
    tenant_id = Identifier()
    numeric_id = Integer(min_value=1)
    formatted_id = Text()
    name = Text()
    rule_type = Choice(RuleType.values)
    resolution_strategy = Choice(ResolutionStrategy.values)
    status = Choice(RuleStatus.values)
    version = Integer(min_value=1)
    metadata = JsonObject(required=False)
    notify_at = ListOf(AmountText(), required=False)
    seeding = Boolean(source="is_seeding", description="true while the transactions from before the rule are still being counted.")
    created_at = Timestamp()
    updated_at = Timestamp()
    deleted_at = Timestamp(required=False)
    last_edited_by = Nested(EditorReply, source="editor")
    conditions = ListOf(Nested(ConditionReply))
    parameters = ListOf(Nested(ParameterReply))
    agent_rules = ListOf(Nested(AgentRuleReply))

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return super().plain({**row, "editor": {"actor": row["actor"]}})


class ChangedRuleReply(FlatRuleReply):
    """The same with the agents themselves, as a change answers it."""

    agent_rules = ListOf(Nested(AgentRuleWithAgent))


class RuleAttributes(RuleReply):
    numeric_id = Integer(min_value=1)
    formatted_id = Text()
    name = Text()
    rule_type = Choice(RuleType.values)
    resolution_strategy = Choice(ResolutionStrategy.values)
    status = Choice(RuleStatus.values)
    version = Integer(min_value=1)
    metadata = JsonObject(required=False)
    notify_at = ListOf(AmountText(), required=False)
    seeding = Boolean(source="is_seeding")
    created_at = Timestamp()
    updated_at = Timestamp()


class AgentAttributes(RuleReply):
    numeric_id = Integer(min_value=1)
    formatted_id = Text()
    name = Text()
    label = Text()


class Plain(Field):
    """A value that is put together already."""

    def __init__(self, shape: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape

    def schema(self) -> dict[str, Any]:
        return self.shape


IDENTITY = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {"type": {"type": "string"}, "id": {"type": "string", "format": "uuid"}},
}
RELATION = {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": IDENTITY}}}
RELATIONSHIPS = {"type": "object", "properties": dict.fromkeys(("agents", "parameters", "conditions"), RELATION)}
INCLUDED = {
    "type": "object",
    "required": ["type", "id", "attributes"],
    "properties": {
        "type": {"type": "string", "enum": ["rules", "rule-parameters", "rule-conditions", "agents"]},
        "id": {"type": "string", "format": "uuid"},
        "attributes": {"type": "object", "additionalProperties": True},
    },
}
# The published names of the parts that can be included: the key in a rule's row, the type, how its attributes are written.
PARTS: dict[str, tuple[str, str, type[Reply]]] = {
    "agents": ("agent_rules", "agents", AgentAttributes),
    "parameters": ("parameters", "rule-parameters", ParameterAttributes),
    "conditions": ("conditions", "rule-conditions", ConditionAttributes),
}


class RuleResource(RuleReply):
    """A rule as a resource of JSON:API."""

    type = Constant("rules")
    id = Identifier()
    attributes = Nested(RuleAttributes)
    relationships = Plain(RELATIONSHIPS, required=False, omitted=True)


class RuleDocument(RuleReply):
    """One rule, with what `include` asks for."""

    data = Nested(RuleResource)
    included = ListOf(Plain(INCLUDED), required=False, omitted=True)


def rule_document(row: Mapping[str, Any], *, include: Collection[str], agent_numbers: Mapping[Any, int]) -> dict[str, Any]:
    """The row of RuleDocument."""
    document: dict[str, Any] = {"data": rule_resource(row, include=include)}
    return document | ({"included": included_resources([row], include=include, agent_numbers=agent_numbers)} if include else {})


def rule_resource(row: Mapping[str, Any], *, include: Collection[str]) -> dict[str, Any]:
    """The row of RuleResource. Without `include` it has no relationships; an empty relation is left out."""
    resource = {"id": row["id"], "attributes": row}
    if not include:
        return resource
    relations = {
        name: {"data": [{"type": kind, "id": str(_part_id(name, part))} for part in row[key]]}
        for name, (key, kind, _) in PARTS.items()
        if name in include and row[key]
    }
    return resource | {"relationships": relations}


def included_resources(
    rows: Collection[Mapping[str, Any]], *, include: Collection[str], agent_numbers: Mapping[Any, int]
) -> list[dict[str, Any]]:
    """The parts of the rules that `include` asks for, each once, as resources of JSON:API."""
    wanted = [(name, part) for row in rows for name, (key, _, _) in PARTS.items() if name in include for part in row[key]]
    found = {(name, _part_id(name, part)): part for name, part in wanted}
    return [_included_part(name, part, agent_numbers) for (name, _), part in found.items()]


def _included_part(name: str, part: Mapping[str, Any], agent_numbers: Mapping[Any, int]) -> dict[str, Any]:
    _, kind, attributes = PARTS[name]
    values = _agent_values(part, agent_numbers) if name == "agents" else part
    return {"type": kind, "id": str(_part_id(name, part)), "attributes": attributes.plain(values)}


def _part_id(name: str, part: Mapping[str, Any]) -> Any:
    return part["agent_id"] if name == "agents" else part["id"]


def _agent_values(part: Mapping[str, Any], numbers: Mapping[Any, int]) -> dict[str, Any]:
    number = numbers[part["agent_id"]]
    return {**part["agent"], "numeric_id": number, "formatted_id": f"AG-{number:03}"}
