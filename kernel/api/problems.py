"""What can be wrong with a request: codes and facts, of which each API's dialect makes its own error bodies.

A **field** refuses a value with one of these codes (facts in brackets): missing, null (expected), not_text, text_syntax (pattern),
not_a_number, number_syntax, not_finite, too_many_decimals (max), too_many_digits (max), not_positive, negative, not_whole, too_small
(min), too_large (max), number_as_money, not_json_object, not_a_list, too_long (max), too_short (min), unstorable_text, unknown_choice
(choices), unknown_currency, bad_timestamp, bad_day, bad_uuid, not_boolean, too_deep (max), number_out_of_range (max), out_of_range (min,
max), expiry_out_of_range (min, max), invisible_edge (character), unknown_name (nearest, hint), repeated_name, bad_cursor, bad_key.

A **body** as a whole: empty_body, not_json_type (value), malformed_json (position, reason), unreadable_body (reason: encoding, depth,
complexity, digits, compression, connection), not_an_object (value), body_too_large (limit).

A **request**: invalid (the fields say why), not_authenticated, forbidden (scope), not_authorized, not_found, unknown_host,
method_not_allowed (allowed), missing_header (name), throttled (wait), internal; and every code of a DomainError.

The sentences stand by code in `<app>/api/dialect.py`, and in `camel_case_dialect.py` what its APIs share.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions

from kernel.base.errors import DomainError

Path = tuple[str | int, ...]
BODY_CODES = ("empty_body", "not_json_type", "malformed_json", "unreadable_body", "not_an_object", "body_too_large")


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One value that was refused. `path`: wire names and list indexes from the body's root; `value`: what was sent, as parsed
    (for `missing`, the object that lacks the field)."""

    path: Path
    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None


@dataclass(frozen=True, slots=True)
class Problem:
    """All that a dialect needs for an error reply. `place` says where the fields are: body, query or header."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[FieldProblem, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    place: str = "body"


class Refused(Exception):
    """Raised by a field for its value, and by `check` for a rule across fields (which then names the declared `field`)."""

    def __init__(self, code: str, *, field: str | None = None, **facts: Any) -> None:
        super().__init__(code, facts)
        self.code = code
        self.field = field
        self.facts = facts


class Invalid(Exception):
    """Every refused field of a body, a query string or the headers, in the order in which fields are declared."""

    def __init__(self, fields: Iterable[FieldProblem], *, place: str = "body") -> None:
        self.fields = tuple(fields)
        self.place = place
        super().__init__([(problem.path, problem.code) for problem in self.fields])


class RequestRefused(Exception):
    """A request that fails as a whole: one of the body or request codes above, with its facts."""

    def __init__(self, code: str, *, headers: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts
        self.headers = headers or {}


CODES_OF_LIBRARY_ERRORS: dict[type[Exception], str] = {
    Http404: "not_found",
    exceptions.NotFound: "not_found",
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "not_authenticated",
    DjangoPermissionDenied: "forbidden",
    exceptions.PermissionDenied: "forbidden",
    RequestDataTooBig: "body_too_large",
    # More than 1,000 parameters, a host that isn't ours, and the like.
    SuspiciousOperation: "invalid",
}


def problem_of(exception: BaseException) -> Problem | None:
    """The problem of an exception; None for any other exception, which becomes a 500."""
    match exception:
        case DomainError():
            return Problem(code=exception.code, facts=exception.facts)
        case Invalid():
            return Problem(code="invalid", fields=exception.fields, place=exception.place)
        case RequestRefused():
            return Problem(code=exception.code, facts=exception.facts, headers=exception.headers)
        case exceptions.Throttled():
            return Problem(code="throttled", facts={"wait": getattr(exception, "wait", None)})
        case exceptions.MethodNotAllowed():
            # Raised by REST framework, which doesn't list the allowed methods; LedgerViewSet's own refusal does.
            return Problem(code="method_not_allowed", facts={"allowed": ()})
    code = next((CODES_OF_LIBRARY_ERRORS[kind] for kind in type(exception).__mro__ if kind in CODES_OF_LIBRARY_ERRORS), None)
    return Problem(code=code) if code else None
