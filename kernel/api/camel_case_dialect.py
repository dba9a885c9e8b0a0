"""The dialect of the APIs in camelCase: errors as `{"message", "error", "statusCode"}`, pages as `{"data", "links", "meta"}`."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest

from kernel.api.dialect import Dialect, camel_case
from kernel.api.json import microseconds
from kernel.api.pagination import Page
from kernel.api.problems import FieldProblem, Problem

# Messages about one value; the field's path stands before them.
FIELD_WORDS = {
    "missing": "should not be empty",
    "null": "should not be null",
    "not_text": "must be a string",
    "not_boolean": "must be a boolean value",
    "not_a_list": "must be an array",
    "not_json_object": "must be an object",
    "not_whole": "must be an integer number",
    "not_a_number": "must be a number",
    "not_finite": "must not contain NaN or Infinity",
    "number_as_money": "must be a decimal string, not a number",
    "number_syntax": "must be a decimal string",
    "too_many_decimals": "must not have more than {max} decimals",
    "too_many_digits": "must not have more than {max} digits before the point",
    "number_out_of_range": "must not contain exponents beyond {max}",
    "negative": "must not be negative",
    "not_positive": "must be positive",
    "too_small": "must not be less than {min}",
    "too_large": "must not be greater than {max}",
    "too_long": "must not be longer than {max}",
    "too_short": "must not be shorter than {min}",
    "too_deep": "must not be nested deeper than {max}",
    "unstorable_text": "must not contain NUL or unpaired surrogates",
    "unknown_choice": "must be one of the following values: {choices}",
    "unknown_currency": "must be a valid ISO 4217 currency code",
    "bad_timestamp": "must be a valid ISO 8601 date string",
    "bad_uuid": "must be a UUID",
    "bad_cursor": "must be a cursor of this list",
    "bad_key": "must be printable ASCII, the same in every header that gives it",
    "moment_out_of_range": "must be in the range {min} to {max}",
    "expiry_out_of_range": "must be in the range {min} to {max}; leave it out for never",
    "invisible_edge": "must not begin or end with the invisible character {character}",
    "text_syntax": "must match {pattern}",
    "unknown_name": "should not exist{hint}",
    "repeated_name": "must be given once",
}
ERROR_TEXTS = {
    "invalid": "Invalid request",
    "empty_body": "The request has no body",
    "malformed_json": "The body is not valid JSON at position {position}: {reason}",
    "unreadable_body": "The body can't be read: {reason}",
    "not_an_object": "The body must be a JSON object",
    "not_json_type": "The body must be JSON",
    "body_too_large": "The body must not be larger than {limit} bytes",
    "unknown_host": "The Host header names no host of this service",
    "missing_header": "The header {name} is missing",
    "not_authenticated": "Unauthorized",
    "not_authorized": "The key may not act for this account",
    "forbidden": "The key lacks the right {scope}",
    "not_found": "Not found",
    "method_not_allowed": "This path doesn't know the method; allowed: {allowed}",
    "idempotency_conflict": "The idempotency key was used before with other facts ({fields}); the first row is {first_id}",
    "throttled": "Too many requests",
    "internal": "Internal server error",
    "busy": "The ledger is busy; nothing was changed, the call may be repeated",
    "unavailable": "The service can't record anything at present; nothing was changed, and repeating the call doesn't help for now",
    "outcome_unknown": "The outcome is unknown; repeat the call with the same idempotency key",
}


class CamelCaseDialect(Dialect):
    """What the APIs in camelCase share. A subclass adds the words for its own codes."""

    cursor_names = {"after": "page[after]", "before": "page[before]"}
    field_words: ClassVar[Mapping[str, str]] = FIELD_WORDS
    error_texts: ClassVar[Mapping[str, str]] = ERROR_TEXTS
    # The fact `kind` of not_found -> the word for it.
    kinds: ClassVar[Mapping[str, str]] = {}

    def wire_name(self, name: str) -> str:
        return camel_case(name)

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """`message` is a list where fields are refused, else a sentence."""
        fields = self.fields_of(problem)
        status = HTTPStatus(self.status(problem))
        message: Any = [self.field_message(field) for field in fields] if fields else self.sentence(problem)
        return {"message": message, "error": status.phrase, "statusCode": int(status)}

    def error_schema(self, status: int) -> tuple[str, dict[str, Any]]:
        return f"{self.name}Error", {
            "type": "object",
            "required": ["message", "error", "statusCode"],
            "properties": {
                "message": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                "error": {"type": "string"},
                "statusCode": {"type": "integer"},
            },
        }

    def field_message(self, field: FieldProblem) -> str:
        facts = {name: microseconds(fact) if isinstance(fact, datetime) else fact for name, fact in field.facts.items()}
        if "choices" in facts:
            facts["choices"] = ", ".join(facts["choices"])
        place = ".".join(str(step) for step in field.path) or "the body"
        return f"{place} {self.field_words.get(field.code, 'is invalid').format(**facts)}"

    def sentence(self, problem: Problem) -> str:
        """The problem as one sentence."""
        facts = dict(problem.facts)
        if problem.code == "not_found" and facts.get("kind") in self.kinds:
            return f"{self.kinds[facts['kind']]} {facts['id']} not found"
        for name in ("fields", "allowed"):
            if name in facts:
                facts[name] = ", ".join(camel_case(word) if name == "fields" else word for word in facts[name])
        return self.error_texts[problem.code].format(**facts)

    def page_body(self, *, page: Page, items: list[Any], request: HttpRequest) -> dict[str, Any]:
        links = {
            "self": request.get_full_path(),
            "next": link(request, "page[after]", page.next),
            "prev": link(request, "page[before]", page.previous),
        }
        place = {"limit": page.limit, "hasNext": page.has_next, "hasPrev": page.previous is not None}
        return {"data": items, "links": links, "meta": {"page": place}}

    def page_schema(self, item: dict[str, Any]) -> dict[str, Any]:
        address = {"type": ["string", "null"]}
        place = {"limit": {"type": "integer"}, "hasNext": {"type": "boolean"}, "hasPrev": {"type": "boolean"}}
        return envelope(
            data={"type": "array", "items": item},
            links=envelope(self={"type": "string"}, next=address, prev=address),
            meta=envelope(page=envelope(**place)),
        )


def envelope(**properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all these properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


def link(request: HttpRequest, name: str, cursor: str | None) -> str | None:
    """This list's address with another cursor."""
    if cursor is None:
        return None
    parameters = request.GET.copy()
    for place in ("page[after]", "page[before]"):
        parameters.pop(place, None)
    parameters[name] = cursor
    return f"{request.path}?{parameters.urlencode()}"
