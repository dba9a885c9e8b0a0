"""Facts in the form that usage is read from: objects with the names that providers give.

Exporters of OpenTelemetry write attributes as a list, `[{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}}]`. Serializers of
.NET and Go begin each name with a capital letter, `{"Usage": {"InputTokenCount": 12}}`.
"""

import re
from collections.abc import Mapping
from typing import Any

from metering.usage_reading.counter_names import BODY_NAMES, COUNTER_NAMES, NAMES, USAGE_NAMES

# Attributes of OpenTelemetry, and of Jaeger; an export of OpenTelemetry.
ATTRIBUTES, TAGS, EXPORT = "attributes", "tags", "resourceSpans"
VALUES = ("stringValue", "intValue", "doubleValue", "boolValue")
CAPITAL = re.compile(r"(^|\.)([A-Z])(?=[a-z])")
# Names that facts with capital letters have one of at their top.
CAPITALIZED = frozenset(
    name[0].upper() + name[1:] for names in (BODY_NAMES, USAGE_NAMES, *NAMES.values()) for name in names if name[0] >= "a"
)

NOT_NORMALIZED = frozenset({*CAPITALIZED, ATTRIBUTES, TAGS, EXPORT})


def with_normalized_names(facts: Any) -> Any:
    """The facts with lists of attributes as objects, and with small first letters where their names begin with capital ones; else the same
    object."""
    if not isinstance(facts, dict) or NOT_NORMALIZED.isdisjoint(facts):
        return facts
    if EXPORT in facts or isinstance(facts.get(ATTRIBUTES), list) or isinstance(facts.get(TAGS), list):
        facts = _with_attributes(facts)
    return facts if CAPITALIZED.isdisjoint(facts) else _uncapitalized(facts)


def _with_attributes(facts: dict[str, Any]) -> dict[str, Any]:
    spans = _spans(facts.get(EXPORT))
    # Several spans are several calls, or one call several times.
    span = spans[0] if len(spans) == 1 else facts
    attributes: dict[str, Any] = {}
    for name, value in (*_attributes(span.get(ATTRIBUTES)), *_attributes(span.get(TAGS))):
        # Two values of one attribute are no value.
        attributes[name] = value if attributes.get(name, value) == value else [attributes[name], value]
    return facts | {ATTRIBUTES: attributes} if attributes else facts


def _spans(resources: Any) -> list[dict[str, Any]]:
    scopes = [scope for resource in _objects(resources) for scope in _objects(resource.get("scopeSpans"))]
    return [span for scope in scopes for span in _objects(scope.get("spans"))]


def _attributes(items: Any) -> list[tuple[str, Any]]:
    return [(item["key"], _value(item.get("value"))) for item in _objects(items) if isinstance(item.get("key"), str)]


def _value(value: Any) -> Any:
    """The value of an attribute. One that has several, or an unknown one, stays as it is."""
    typed = [value[name] for name in VALUES if name in value] if isinstance(value, Mapping) else []
    return typed[0] if len(typed) == 1 else value


def _objects(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _uncapitalized(value: Any) -> Any:
    if isinstance(value, dict):
        names = {name: CAPITAL.sub(lambda match: match[1] + match[2].lower(), name) for name in value}
        found: dict[str, Any] = {}
        # Members whose own name begins with a small letter first, so that they keep it.
        for name, small in sorted(names.items(), key=lambda item: item[0] != item[1]):
            _add(found, name, small, _uncapitalized(value[name]))
        return found
    return [_uncapitalized(item) for item in value] if isinstance(value, list) else value


def _add(found: dict[str, Any], name: str, small: str, value: Any) -> None:
    """Adds a member by its name with a small first letter. Where another member has that name already and another value, a counter becomes
    the list of both, which no reading takes for a number. Any other member keeps its own name: a second usage is read beside the first."""
    if small not in found or found[small] == value:
        found[small] = value
    elif small in COUNTER_NAMES:
        found[small] = [found[small], value]
    else:
        found[name] = value
