"""A version of a rule as JSON, for its history."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kernel.ledger.money import trimmed_digits
from metering.rules.selectors.definitions import CONDITION, PARAMETER


def definition_text(row: Mapping[str, Any]) -> str:
    """The rule with its parts as JSON. Amounts are strings of their digits; the caller's own `metadata` stands as it was sent."""
    definition = {
        "name": row["name"],
        "rule_type": row["rule_type"],
        "resolution_strategy": row["resolution_strategy"],
        "status": row["status"],
        "notify_at": row["notify_at"],
        "parameters": [{"id": part["id"]} | {name: part[name] for name in PARAMETER} for part in row["parameters"]],
        "conditions": [{"id": part["id"]} | {name: part[name] for name in CONDITION} for part in row["conditions"]],
        "agents": [{"id": part["agent_id"], "name": part["agent"]["name"]} for part in row["agent_rules"]],
    }
    return f'{json.dumps(definition, default=_text, ensure_ascii=False)[:-1]}, "metadata": {row["metadata"] or "null"}}}'


def _text(value: Any) -> str:
    return trimmed_digits(value) if isinstance(value, Decimal) else str(value)
