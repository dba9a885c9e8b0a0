"""Error messages for staff and operators. Errors carry a code and facts; this module turns them into a sentence.

The sentences below belong to the kernel's own errors. An app registers those of its errors with `register_messages`, in its admin module,
which is loaded in commands too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kernel.tenants.errors import DomainError

_SENTENCES: dict[str, str] = {
    "api_key_not_found": "There is no key with the prefix {prefix}.",
    "ledger_broken": "The entries contradict each other (check {check}), so nothing can be rebuilt from them: run verify_ledgers.",
    "busy": "The account is busy just now. Nothing was posted: try again.",
    "invalid_slug": "The short name may hold lower-case letters, digits and hyphens only.",
    "not_found": "There is no {kind} {id}.",
    "out_of_range": "The balance would no longer fit.",
    "outcome_unknown": "The database connection was lost. Check whether it was posted before you try again.",
    "tenant_exists": "A tenant with this short name exists.",
    "tenant_not_found": "There is no tenant {tenant}.",
    "unavailable": "The database takes no postings at present. Nothing was posted.",
    "unknown_currency": "{currency} is no currency of ISO 4217.",
    "unknown_scope": "There is no scope {scopes}. There are: {known}.",
    "wrong_state": "{id} is {state}, and this needs one that is {allowed}.",
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


def message_for_operator(error: DomainError) -> str:
    """The sentence, and the database's own message, which staff and callers don't get."""
    reason = getattr(error, "reason", "")
    return f"{message_for(error)} The database says: {reason}." if reason else message_for(error)


def _invalid_value(facts: Mapping[str, Any]) -> str:
    field = str(facts.get("field", "value")).replace("_", " ")
    return f"The {field} is not right: {str(facts.get('reason', 'invalid')).replace('_', ' ')}."


def _format(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
