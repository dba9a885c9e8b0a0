"""The names of a transaction whose caller sends none: integrations that only watch HTTP know no service, action or resource."""

import json
from collections.abc import Mapping
from typing import Any

from kernel.ledger.errors import InvalidValue

NAMES = {"service_name": 255, "action_name": 255, "resource_name": 2048}
UNSPECIFIED = "unspecified"


def with_names(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts with all three names. Raises InvalidValue where there is neither a service's name nor request facts."""
    if facts.get("service_name") and facts.get("action_name") and facts.get("resource_name"):
        return facts
    if not facts.get("service_name") and not facts.get("request_facts"):
        raise InvalidValue(field="service_name", reason="missing")
    derived = _derived(json.loads(facts.get("request_facts") or "{}"))
    return {**facts, **{name: facts.get(name) or derived[name][:longest] for name, longest in NAMES.items()}}


def _derived(request_facts: Any) -> dict[str, str]:
    """The host becomes the service, the method the action, the path the resource. Without a path, the model becomes the resource."""
    request = _object(request_facts.get("request"))
    url = _object(request.get("urlParsed"))
    source = _text(request_facts.get("source"))
    return {
        "service_name": _text(url.get("hostname")) or source or UNSPECIFIED,
        "action_name": _text(request.get("method")) or UNSPECIFIED,
        "resource_name": _text(url.get("pathname")) or _text(request.get("modelId")) or _text(request.get("model")) or UNSPECIFIED,
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
