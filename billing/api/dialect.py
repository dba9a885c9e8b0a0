"""Error bodies, statuses and pages of the billing API: exactly those of FastAPI, because published clients parse them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kernel.api import json
from kernel.api.batches import REFUSED, BatchOutcome, ItemOutcome
from kernel.api.dialect import Dialect
from kernel.api.problems import FieldProblem, Problem
from kernel.ledger.money import trimmed_digits
from kernel.ledger.outcomes import POSTED, REPLAYED

# A code of a field -> type, message and context of the published error.
Words = tuple[str, str, Callable[[Mapping[str, Any]], dict[str, Any]] | None]
FIELD_WORDS: dict[str, Words] = {
    "missing": ("missing", "Field required", None),
    "not_text": ("string_type", "Input should be a valid string", None),
    "not_a_number": ("float_type", "Input should be a valid number", None),
    "number_syntax": ("float_parsing", "Input should be a valid number, unable to parse string as a number", None),
    "not_finite": ("finite_number", "Input should be a finite number", None),
    "too_many_decimals": (
        "decimal_max_places",
        "Decimal input should have no more than {max} decimal places",
        lambda facts: {"decimal_places": facts["max"]},
    ),
    "too_many_digits": (
        "decimal_whole_digits",
        "Decimal input should have no more than {max} digits before the decimal point",
        lambda facts: {"whole_digits": facts["max"]},
    ),
    "negative": ("greater_than_equal", "Input should be greater than or equal to 0", lambda facts: {"ge": 0}),
    "not_positive": ("greater_than", "Input should be greater than 0", lambda facts: {"gt": 0}),
    "too_small": ("greater_than_equal", "Input should be greater than or equal to {min}", lambda facts: {"ge": facts["min"]}),
    "too_large": ("less_than_equal", "Input should be less than or equal to {max}", lambda facts: {"le": facts["max"]}),
    "not_whole": ("int_parsing", "Input should be a valid integer, unable to parse string as an integer", None),
    "too_short": ("string_too_short", "String should have at least {min} character", lambda facts: {"min_length": facts["min"]}),
    "too_long": ("string_too_long", "String should have at most {max} characters", lambda facts: {"max_length": facts["max"]}),
    "unstorable_text": ("string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string", None),
    "unknown_choice": ("enum", "Input should be {choices}", lambda facts: {"expected": _joined_with_or(facts["choices"])}),
    "unknown_type": ("enum", "Input should be a type of the catalogue", None),
    "unknown_currency": ("value_error", "Value error, Input should be an ISO 4217 currency code", None),
    "bad_timestamp": ("datetime_parsing", "Input should be a valid datetime with a time zone", None),
    "bad_day": ("date_parsing", "Input should be a valid date", None),
    "bad_uuid": ("uuid_parsing", "Input should be a valid UUID", None),
    "bad_cursor": ("value_error", "Value error, Input should be a cursor of this list", None),
    "not_boolean": ("bool_type", "Input should be a valid boolean", None),
    "not_a_list": ("list_type", "Input should be a valid list", None),
    "not_json_object": ("dict_type", "Input should be a valid dictionary", None),
    "too_deep": ("value_error", "Value error, Input should be nested no more than {max} deep", None),
    "number_out_of_range": ("value_error", "Value error, Input should have exponents no greater than {max}", None),
    "out_of_range": ("value_error", "Value error, Input should be in the range {min} to {max}", None),
    "moment_out_of_range": ("value_error", "Value error, Input should be in the range {min} to {max}", None),
    "expiry_out_of_range": ("value_error", "Value error, Input should be in the range {min} to {max}; leave it out for never", None),
    "invisible_edge": ("value_error", "Value error, Input should not begin or end with the invisible character {character}", None),
    "bad_key": ("value_error", "Value error, Input should be printable ASCII without blanks at its ends", None),
    "unknown_name": (
        "extra_forbidden",
        "Extra inputs are not permitted{hint}",
        lambda facts: {"nearest": facts["nearest"]} if facts["nearest"] else {},
    ),
    "repeated_name": ("value_error", "Value error, Input should be given once", None),
    "before_start": ("value_error", "Value error, Input should be later than the start of the period", None),
    "not_in_the_future": ("value_error", "Value error, Input should be in the future", None),
    "hold_not_later": ("value_error", "Value error, Input should be later than {min}, when the hold ends", None),
    "hold_too_long": ("value_error", "Value error, Input should be no later than {max}, by the account's longest time for a hold", None),
}
NOT_AN_OBJECT = "Input should be a valid dictionary or object to extract fields from"
SENTENCES = {
    "unreadable_body": "There was an error parsing the body",
    "body_too_large": "Request body is larger than {limit} bytes",
    "unknown_host": "The Host header names no host of this service",
    "not_authenticated": "Not authenticated",
    "not_authorized": "Not authorized for this account",
    "forbidden": "This key lacks the scope {scope}",
    "not_found": "Not Found",
    "method_not_allowed": "Method Not Allowed",
    "throttled": "Too Many Requests",
    "internal": "Internal Server Error",
    "busy": "The ledger is busy: nothing was recorded, send the same request again",
    "unavailable": "The service can't record anything at present: nothing was recorded, and repeating the request doesn't help for now",
    "outcome_unknown": "The outcome is unknown: send the same request again, it is recorded at most once",
    "insufficient": "Insufficient balance",
    "below_floor": "The balance less what is held would be below the wallet's floor",
    "out_of_range": "The balance would have more digits than the ledger can hold",
    "idempotency_conflict": "This type and reference_id were recorded before with other values of {fields}, as transaction {first_id}",
    "already_reversed": "Transaction {id} is reversed already, by {reversed_by}",
    "not_reversible": "Transaction {id} is itself a reversal: record the amount again instead",
    "exceeds_original": "Only {remaining} of transaction {id} are left to reverse",
    "hold_closed": "Hold {hold_id} is {status} already",
    "hold_exceeded": "Hold {hold_id} reserves {held}, less than {requested}",
    "hold_conflict": "This reference_id was used before with other values of {fields}, by {first_id}",
    "usage_not_a_debit": "The account has defined the type {type} other than as a debit, so nothing can be captured",
    "withdrawn": "Not recorded: another transaction of the batch was refused",
}
# Facts that an error has beside `detail`, so that no client has to parse the sentence.
FACTS = {
    "insufficient": ("balance", "held", "available", "requested", "floor", "currency"),
    "out_of_range": ("balance", "requested", "currency"),
    "idempotency_conflict": ("first_id", "fields"),
    "already_reversed": ("id", "reversed_by"),
    "not_reversible": ("id",),
    "exceeds_original": ("id", "requested", "remaining"),
    "hold_closed": ("hold_id", "status"),
    "hold_exceeded": ("hold_id", "held", "requested"),
    "hold_conflict": ("first_id", "fields"),
    "usage_not_a_debit": ("type",),
}
_UUID = {"type": "string", "format": "uuid"}
_MONEY = {"type": "number", "format": "decimal"}
FACT_SCHEMAS: dict[str, dict[str, Any]] = {
    "id": _UUID,
    "first_id": _UUID,
    "fields": {"type": "array", "items": {"type": "string"}},
    "reversed_by": _UUID,
    "balance": _MONEY,
    "held": _MONEY,
    "available": _MONEY,
    "hold_id": _UUID,
    "status": {"type": "string"},
    "type": {"type": "string"},
    "requested": _MONEY,
    "floor": _MONEY | {"type": ["number", "null"]},
    "remaining": _MONEY,
    "currency": {"type": "string"},
}


class BillingDialect(Dialect):
    """FastAPI's error bodies and statuses, snake_case, money as JSON numbers, cursors in pages of `items`."""

    name = "Billing"
    requires_json_type = True
    cursor_names = {"after": "cursor", "before": "cursor"}
    statuses = {
        **Dialect.statuses,
        "invalid": 422,
        "invalid_value": 422,
        "unknown_type": 422,
        "empty_body": 422,
        "not_json_type": 422,
        "malformed_json": 422,
        "not_an_object": 422,
        "insufficient": 402,
        "out_of_range": 409,
        "below_floor": 402,
        "not_reversible": 409,
        "exceeds_original": 409,
        "hold_closed": 409,
        "hold_exceeded": 409,
        "hold_conflict": 409,
        "usage_not_a_debit": 409,
        "withdrawn": 424,
    }

    def error_body(self, problem: Problem) -> dict[str, Any]:
        if self.status(problem) == 422:
            return {"detail": self.field_errors(problem)}
        facts = {name: _rendered(value) for name, value in problem.facts.items()}
        detail = SENTENCES[problem.code].format_map(facts)
        return {"detail": detail} | {name: problem.facts[name] for name in FACTS.get(problem.code, ())}

    def field_errors(self, problem: Problem, *, within: tuple[str | int, ...] = ()) -> list[dict[str, Any]]:
        """The errors of a 422. `within`: where the refused object stands in the body."""
        match problem.code:
            case "empty_body":
                return [_error("missing", ("body", *within), "Field required", None)]
            case "malformed_json":
                place = ("body", problem.facts["position"])
                return [_error("json_invalid", place, "JSON decode error", {}, {"error": problem.facts["reason"]})]
            case "not_json_type" | "not_an_object":
                return [_error("model_attributes_type", ("body", *within), NOT_AN_OBJECT, problem.facts["value"])]
        return [_field_error(refused, place=(problem.place, *within)) for refused in self.fields_of(problem)]

    def fields_of(self, problem: Problem) -> tuple[FieldProblem, ...]:
        if problem.code == "unknown_type":
            return (FieldProblem(("type",), "unknown_type", {}, problem.facts["value"]),)
        return super().fields_of(problem)

    def error_schema(self, status: int) -> tuple[str, dict[str, Any]]:
        if status != 422:
            return "BillingError", {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}} | FACT_SCHEMAS}
        step = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
        error = {
            "type": "object",
            "required": ["loc", "msg", "type"],
            "properties": {"loc": {"type": "array", "items": step}, "msg": {"type": "string"}, "type": {"type": "string"}},
        }
        return "HTTPValidationError", {"type": "object", "properties": {"detail": {"type": "array", "items": error}}}

    def batch_item(self, item: ItemOutcome, row: Any) -> dict[str, Any]:
        if item.problem is None:
            return {"status": 200, "replayed": item.status == REPLAYED, "transaction": row}
        return {"status": self.status(item.problem)} | self._item_error(item)

    def batch_body(self, outcome: BatchOutcome, items: list[Any]) -> dict[str, Any]:
        """Of an atomic batch that was refused, the status and detail are those of the item whose refusal caused it."""
        counts = outcome.counts
        body = {"results": items, "recorded": counts[POSTED], "replayed": counts[REPLAYED], "refused": counts[REFUSED]}
        if outcome.reason is None:
            return body
        return {"detail": msgspec.Raw(json.to_json(self._item_error(outcome.reason)["detail"]))} | body

    def batch_status(self, outcome: BatchOutcome) -> int:
        return 200 if outcome.reason is None or outcome.reason.problem is None else self.status(outcome.reason.problem)

    def _item_error(self, item: ItemOutcome) -> dict[str, Any]:
        """The error body of one item; the errors of a 422 say where it stands in the batch."""
        assert item.problem is not None
        if self.status(item.problem) == 422:
            return {"detail": self.field_errors(item.problem, within=("transactions", item.index))}
        return self.error_body(item.problem)

    def page_body(self, *, page: Any, items: list[Any], request: Any) -> dict[str, Any]:
        return {"items": items, "next_cursor": page.next}

    def page_schema(self, item: dict[str, Any]) -> dict[str, Any]:
        properties = {"items": {"type": "array", "items": item}, "next_cursor": {"type": ["string", "null"]}}
        return {"type": "object", "required": ["items", "next_cursor"], "properties": properties}


def _field_error(refused: FieldProblem, *, place: tuple[str | int, ...]) -> dict[str, Any]:
    code, facts = refused.code, refused.facts
    if code == "null":
        code = facts["expected"]
    if code == "not_json_object" and not refused.path:
        return _error("model_attributes_type", place, NOT_AN_OBJECT, refused.value)
    if isinstance(refused.value, list) and code in {"too_short", "too_long"}:
        return _length_error(refused, place=place)
    kind, message, context = FIELD_WORDS[code]
    rendered = {name: _rendered(value) for name, value in facts.items()}
    if code == "unknown_choice":
        rendered["choices"] = _joined_with_or(facts["choices"])
    return _error(kind, (*place, *refused.path), message.format_map(rendered), refused.value, context(facts) if context else None)


def _length_error(refused: FieldProblem, *, place: tuple[str | int, ...]) -> dict[str, Any]:
    """The error of a list that is too short or too long."""
    short = refused.code == "too_short"
    limit, size = refused.facts["min" if short else "max"], len(refused.value)
    message = f"List should have at {'least' if short else 'most'} {limit} item{'s' * (limit != 1)} after validation, not {size}"
    context = {"field_type": "List", "min_length" if short else "max_length": limit, "actual_length": size}
    return _error(refused.code, (*place, *refused.path), message, [], context)


def _error(kind: str, place: tuple[str | int, ...], message: str, value: Any, context: dict[str, Any] | None = None) -> dict[str, Any]:
    error = {"type": kind, "loc": list(place), "msg": message, "input": value}
    return error | {"ctx": context} if context else error


def _joined_with_or(choices: list[str]) -> str:
    quoted = [f"'{choice}'" for choice in choices]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _rendered(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return trimmed_digits(value) if hasattr(value, "quantize") else value


dialect = BillingDialect()
