"""A rule as sentences for people, and what they may not expect of it. Rules are rows as selectors.definitions.with_parts returns them."""

from collections.abc import Sequence
from decimal import Decimal

from kernel.ledger.money import trimmed_digits, with_thousands
from metering.rules.choices import (
    ConditionGroup,
    FieldType,
    Measurement,
    Operator,
    ResolutionStrategy,
    RuleStatus,
    RuleType,
    Scope,
)
from metering.selectors import RowDict

# More agents than this are counted, not named.
MAX_NAMES = 3
# More conditions than this are counted, not listed.
MAX_CONDITIONS = 4
VERBS = {
    Operator.EQUALS: "is",
    Operator.NOT_EQUALS: "isn't",
    Operator.CONTAINS: "contains",
    Operator.NOT_CONTAINS: "doesn't contain",
    Operator.GREATER_THAN: "is greater than",
    Operator.LESS_THAN: "is less than",
}
GROUPS = {"trace": "run", "customer": "customer", "agent": "agent", "service": "service", "action": "action", "resource": "resource"}


def rule_sentences(rule: RowDict) -> list[str]:
    """What the rule says: one sentence for each of its limits, or one where it has none."""
    sentences = _sentences(rule)
    if rule["resolution_strategy"] == ResolutionStrategy.MANUAL:
        sentences = [*sentences, "What it would refuse waits for a person."]
    return sentences


def _sentences(rule: RowDict) -> list[str]:
    where = _where(rule)
    match rule["rule_type"]:
        case RuleType.USAGE_LIMIT:
            return [_limit(rule, parameter, where) for parameter in rule["parameters"]] or ["It has no limit yet, so it limits nothing."]
        case RuleType.ALLOWLIST:
            return [f"{_subject(rule)} may only make calls{where}." if where else f"{_subject(rule)} may make any call."]
        case RuleType.BLOCKLIST:
            return [f"Calls of {_subject(rule, is_object=True)}{where} are refused."]
    return [f"Payments of {_subject(rule, is_object=True)}{where} are refused."]


def _subject(rule: RowDict, *, is_object: bool = False) -> str:
    """`Agent bot-1`, `Agents a and b`, `5 agents`, or all."""
    names = [part["agent"]["label"] for part in rule["agent_rules"]]
    if not names:
        return "any agent" if is_object else "All agents"
    if len(names) > MAX_NAMES:
        return f"{len(names)} agents"
    word = "agent" if len(names) == 1 else "agents"
    return f"{word if is_object else word.capitalize()} {_joined(names, 'and')}"


def _joined(words: Sequence[str], last: str) -> str:
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _where(rule: RowDict) -> str:
    """` where the service is openai and the resource contains gpt-4`; empty without conditions."""
    groups: dict[str, list[str]] = {}
    conditions = rule["conditions"]
    if len(conditions) > MAX_CONDITIONS:
        return f" that meet its {len(conditions)} conditions"
    for condition in conditions:
        groups.setdefault(condition["condition_group"] or ConditionGroup.PRIMARY, []).append(_condition(condition))
    return f" where {_joined([_joined(texts, 'and') for texts in groups.values()], 'or')}" if groups else ""


def _condition(condition: RowDict) -> str:
    field_type, name = condition["field_type"], condition["field_name"]
    kinds = {FieldType.QUALIFIER: "qualifier", FieldType.PAYMENT_PROPERTY: "payment's", FieldType.TRANSACTION_PROPERTY: "transaction's"}
    what = f"{kinds[FieldType(field_type)]} {name}" if name else field_type
    return f"the {what} {VERBS[Operator(condition['operator'])]} {condition['value']}"


def _limit(rule: RowDict, parameter: RowDict, where: str) -> str:
    """One limit: `Agent bot-1 may spend 10.00 USD in any 24 hours.`"""
    window = _window(parameter)
    calls = f" on calls{where}" if where else ""
    amount = parameter_limit(parameter)
    subject, groups = _limited_subject(rule, parameter)
    each = f" for each {_joined([_group_name(word) for word in groups], 'and')}" if groups else ""
    match parameter["measurement_type"]:
        case Measurement.COUNT_TRANSACTIONS:
            text = f"may make {amount}{where}{each}{window}"
        case Measurement.SUM_PAYMENT_AMOUNT:
            text = f"may pay {amount}{calls}{each}{window}"
        case Measurement.THIS_PAYMENT_AMOUNT:
            text = f"may pay at most {amount} at once{calls}"
        case Measurement.THIS_TRANSACTION_COST:
            text = f"may spend at most {amount} on one call{where}"
        case _:
            text = f"may spend {amount}{calls}{each}{window}"
    tail = ", counting what all of the tenant's calls use" if sums_more_than_it_limits(rule, parameter) else ""
    return f"{subject} {text}{tail}."


def _limited_subject(rule: RowDict, parameter: RowDict) -> tuple[str, list[str]]:
    """Who has the limit, and what else it is split by."""
    groups = list(parameter["group_by"])
    agents = len(rule["agent_rules"])
    if "agent" in groups:
        groups.remove("agent")
        return ("Each agent" if not agents else _subject(rule) if agents == 1 else f"Each of {_subject(rule, is_object=True)}"), groups
    if parameter["interval_value"] is None:
        return ("Any agent" if not agents else _subject(rule)), groups
    if agents == 0:
        return "All agents together", groups
    return _subject(rule) + (" together" if agents > 1 else ""), groups


def _group_name(word: str) -> str:
    return GROUPS.get(word, word.partition(":")[2] or word)


def parameter_limit(parameter: RowDict) -> str:
    """`10.00 USD`, or `100 calls`."""
    limit: Decimal = parameter["limit_value"]
    if parameter["measurement_type"] == Measurement.COUNT_TRANSACTIONS:
        return f"{trimmed_digits(limit)} call{'' if limit == 1 else 's'}"
    return f"{with_thousands(limit, parameter['currency'])} {parameter['currency']}"


def _window(parameter: RowDict) -> str:
    value, unit = parameter["interval_value"], parameter["interval_unit"]
    if value is None:
        return ""
    if parameter["is_rolling"]:
        return f" in any {value} {unit}" if value > 1 else f" in any {unit.removesuffix('s')}"
    length = f"{value} calendar {unit}" if value > 1 else f"calendar {unit.removesuffix('s')}"
    return f" in each {length} ({parameter['time_zone']})"


def sums_more_than_it_limits(rule: RowDict, parameter: RowDict) -> bool:
    """Whether what others use counts against a limit that holds for some agents or calls only."""
    is_sum = parameter["interval_value"] is not None
    narrows = bool(rule["agent_rules"] or rule["conditions"])
    return is_sum and narrows and parameter["measurement_scope"] == Scope.ALL and not parameter["group_by"]


def rule_warnings(rule: RowDict) -> list[str]:
    """What somebody who reads the rule may not expect of it."""
    found = []
    is_limit = rule["rule_type"] == RuleType.USAGE_LIMIT
    if rule["status"] != RuleStatus.ACTIVE:
        found.append(f"The rule is {rule['status']}: it decides nothing.")
    if is_limit and not rule["parameters"]:
        found.append("A usage limit without a limit lets everything pass: add one.")
    if not is_limit and rule["parameters"]:
        found.append("Only a usage limit has limits: those of this rule aren't looked at.")
    if rule["rule_type"] == RuleType.BLOCKLIST and not rule["conditions"]:
        found.append(f"It has no conditions: every call of {_subject(rule, is_object=True)} is refused.")
    if rule["rule_type"] == RuleType.ALLOWLIST and not rule["conditions"]:
        found.append("It has no conditions: it allows every call.")
    if is_limit:
        found += [text for parameter in rule["parameters"] for text in _parameter_warnings(rule, parameter)]
    return list(dict.fromkeys(found))


def _parameter_warnings(rule: RowDict, parameter: RowDict) -> list[str]:
    found = []
    if sums_more_than_it_limits(rule, parameter):
        found.append(
            "The rule holds for some agents or calls, but its sum counts all of the tenant's: others can use it up. "
            "Count only what the rule applies to, or give each agent a limit of its own."
        )
    if not parameter["include_estimates"]:
        found.append(
            "Without estimates it is a brake, not a cap: calls in flight aren't seen, so calls made at the same time may pass together."
        )
    return found
