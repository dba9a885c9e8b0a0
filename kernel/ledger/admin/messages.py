"""Error messages for staff. Errors carry a code and facts; this module turns them into a sentence.

The sentences below belong to the kernel's own errors. An app registers those of its errors with `register_messages`, in its admin module.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kernel.ledger.money import trimmed_digits
from kernel.tenants.errors import DomainError

_SENTENCES: dict[str, str] = {
    "busy": "The account is busy just now. Nothing was posted: try again.",
    "invalid_slug": "The short name may hold lower-case letters, digits and hyphens only.",
    "not_found": "It is not in this tenant's ledger.",
    "out_of_range": "The balance would no longer fit.",
    "outcome_unknown": "The database connection was lost. Check whether it was posted before you try again.",
    "tenant_exists": "A tenant with this short name exists.",
    "unknown_currency": "{currency} is no currency of ISO 4217.",
}


def register_messages(sentences: Mapping[str, str]) -> None:
    """Add sentences by error code. Names in braces are replaced by the error's facts."""
    _SENTENCES.update(sentences)


def message_for(error: DomainError) -> str:
    """The error as a sentence. An error that only wraps another one (fact `cause`) reads like that one."""
    cause = error.facts.get("cause")
    if isinstance(cause, DomainError):
        return message_for(cause)
    if error.code == "invalid_value":
        return _invalid_value(error.facts)
    facts = {name: _format(value) for name, value in error.facts.items()}
    try:
        return _SENTENCES[error.code].format(**facts)
    except KeyError:
        details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
        return f"The ledger refuses it: {error.code.replace('_', ' ')}{f' ({details})' if details else ''}."


def _invalid_value(facts: Mapping[str, Any]) -> str:
    field = str(facts.get("field", "value")).replace("_", " ")
    return f"The {field} is not right: {str(facts.get('reason', 'invalid')).replace('_', ' ')}."


def _format(value: Any) -> str:
    return trimmed_digits(value) if isinstance(value, Decimal) else str(value)
