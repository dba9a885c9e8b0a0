"""Error messages for staff and operators. Errors carry a code and facts; this module turns them into a sentence.

The sentences below belong to the kernel's own errors. An app registers those of its errors with `register_messages`, in its admin module,
which is loaded in commands too.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kernel.base.errors import DomainError

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

# Fields whose names are no words of the forms.
_FIELDS = {
    "cost_of_credit": "amount that the customer paid",
    "effective_date": "first day",
    "expires_at": "end",
    "expiry_date": "last day",
    "fiat_amount": "amount",
    "fiat_asset_symbol": "currency",
    "occurred_at": "time it happened",
}
# What is wrong with a value, by the error's reason. `what`: the field, in the words of the pages; singular or plural.
_INVALID: dict[str, str] = {
    "amount_without_currency": "The {what} needs a currency.",
    "before_effective_date": "The {what} must be on or after the first day.",
    "header_name": "Names of headers may hold letters, digits and hyphens: write each as Name: value.",
    "header_repeated": "Each header may stand once.",
    "header_reserved": "One of the headers is set by the service itself: leave it out.",
    "header_value": "Values of headers may hold visible ASCII characters and spaces.",
    "hold_not_later": "The {what} must be later than now, and than the end that the hold has.",
    "hold_too_long": "The {what} is later than the longest hold that the tenant's policy allows.",
    "missing": "Enter the {what}.",
    "moment_out_of_range": "The {what} must be from 1900 to 2199.",
    "negative": "The {what} can't be negative.",
    "not_finite": "The {what} must be a number.",
    "not_in_the_future": "The {what} must be in the future.",
    "not_later": "The {what} must be later than the present one; this day is not later.",
    "not_positive": "The {what} must be greater than 0.",
    "number_syntax": "The {what} must be a number, like 1234.50.",
    "out_of_range": "The {what} must lie within what the ledger can hold.",
    "repeated": "The {what} may name each value once.",
    "taken": "The {what} must be another one: this one is in use.",
    "text_syntax": "The {what} can't hold such characters.",
    "too_early": "The {what} must be later.",
    "too_far_ahead": "The {what} lies further ahead than the tenant's policy allows.",
    "too_large": "The {what} must be smaller.",
    "too_long": "The {what} must be shorter.",
    "too_long_ago": "The {what} lies further back than the tenant's policy allows.",
    "too_many_decimals": "The {what} can have 18 decimals at most.",
    "too_many_digits": "The {what} can have 18 digits before the point and 18 after it.",
    "too_short": "The {what} must be longer.",
    "too_small": "The {what} must be larger.",
    "unknown_agent": "There is no such agent.",
    "unknown_choice": "The {what} must be one of the choices.",
    "unknown_currency": "The {what} must be a code of ISO 4217, like EUR.",
    "unknown_event_type": "There is no such type of event.",
    "unknown_zone": "There is no such time zone. Names are like Europe/Berlin.",
    "unstorable_text": "The {what} can't hold such characters.",
}
# The same where the error says the bound.
_BOUNDS = {
    ("hold_not_later", "min"): "The {what} must be later than {min}.",
    ("out_of_range", "max"): "The {what} can be {max} at most.",
    ("too_early", "min"): "The {what} must be {min} or later.",
    ("too_large", "max"): "The {what} can be {max} at most.",
    ("too_long", "max"): "The {what} can have {max} characters at most.",
    ("too_short", "min"): "The {what} must have {min} characters at least.",
    ("too_small", "min"): "The {what} must be {min} at least.",
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
    field, reason = str(facts.get("field", "value")), str(facts.get("reason", "invalid"))
    what = _FIELDS.get(field) or field.removesuffix("_id").replace("_", " ")
    # A text that must have at least one character and has none is missing.
    reason = "missing" if (reason, facts.get("min")) == ("too_short", 1) else reason
    sentence = next((_BOUNDS[reason, name] for name in ("min", "max") if name in facts and (reason, name) in _BOUNDS), _INVALID.get(reason))
    if sentence is None:
        return f"The {what} can't be taken: {reason.replace('_', ' ')}."
    return sentence.format(what=what, **{name: _format(value) for name, value in facts.items()})


def _format(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
