"""The dialect of the credits API: error envelope, statuses, messages, version header and pages."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from kernel.api.batches import BatchOutcome, ItemOutcome
from kernel.api.dialect import Dialect, camel_case
from kernel.api.json import milliseconds
from kernel.api.pagination import Page
from kernel.api.problems import FieldProblem, Problem, RequestRefused
from kernel.api.serializers import Body, Query, Reply
from kernel.ledger.money import trimmed_digits

VERSIONS = ("2024-01-01", "2024-05-09", "2024-07-30")
VERSION_HEADER = "Sequence-Version"
# The header's name in META. request.headers would parse all headers first.
_VERSION = "HTTP_SEQUENCE_VERSION"
UNKNOWN_VERSION = "No matching API version found. Please make sure the specified API version is valid."

# Code of a problem -> (published type, message). The message may contain any fact of the problem in braces.
ERROR_TEXTS: Mapping[str, tuple[str, str]] = {
    "invalid": ("InvalidRequest", "The request is not valid: {first}."),
    "invalid_value": ("InvalidRequest", "The request is not valid: {first}."),
    "empty_body": ("InvalidRequest", "The request has no body."),
    "not_json_type": ("InvalidRequest", "The body must be JSON."),
    "malformed_json": ("InvalidRequest", "The body is not JSON: {reason} at character {position}."),
    "unreadable_body": ("InvalidRequest", "The body cannot be read."),
    "not_an_object": ("InvalidRequest", "The body must be a JSON object."),
    "body_too_large": ("RequestTooLarge", "The body is too large."),
    "unknown_host": ("InvalidRequest", "The Host header names no host of this service."),
    "missing_header": ("InvalidRequest", "The header {name} is required."),
    "unknown_version": ("UnrecognisedApiVersion", UNKNOWN_VERSION),
    "not_authenticated": ("Unauthorized", "The credentials are missing or not valid."),
    "not_authorized": ("Unauthorized", "The credentials may not act for this account."),
    "forbidden": ("Forbidden", "The credentials do not allow this: they lack {scope}."),
    "not_found": ("NotFound", "There is nothing at this address."),
    "method_not_allowed": ("MethodNotAllowed", "The address does not take this method."),
    "throttled": ("TooManyRequests", "Too many requests."),
    "internal": ("InternalServerError", "Something went wrong on our side."),
    "busy": ("ServiceUnavailable", "The ledger is busy. Nothing was changed: send the same request again."),
    "unavailable": (
        "ServiceUnavailable",
        "The ledger can't record anything at present. Nothing was changed, and repeating the request doesn't help for now.",
    ),
    "outcome_unknown": (
        "OutcomeUnknown",
        "The connection to the ledger was lost. Send the same request again with the same Idempotency-Key to learn what became of it.",
    ),
    "idempotency_conflict": ("IdempotencyConflict", "The Idempotency-Key was used before for another request."),
    "grant_not_found": ("CreditGrantNotFound", "There is no credit grant with this id."),
    "grant_not_yet_effective": (
        "CreditGrantNotYetEffective",
        "The credit grant takes effect on {effective_date}; its balance is {balance}.",
    ),
    "grant_expired": ("CreditGrantExpired", "The credit grant expired on {expiry_date}; its balance is {balance}."),
    "grant_voided": ("CreditGrantVoided", "The credit grant was voided."),
    "grant_drawn_on": ("CreditGrantDrawnOn", "The credit grant was drawn on and cannot be deleted: void it. Its balance is {balance}."),
    "grant_held": ("CreditGrantHeld", "A hold reserves {held} of the credit grant's balance of {balance}."),
    "insufficient_credit": ("InsufficientCredit", "The balance of {balance} does not cover {requested}: {available} is available."),
    "more_than_taken": (
        "InvoiceCreditExceeded",
        "Invoice {invoice_id} took {taken} from this credit grant, so {requested} cannot be given back. Its balance is {balance}.",
    ),
    "exceeds_original": ("ReversalExceedsOriginal", "Of this transaction {remaining} are left to reverse, less than {requested}."),
    "already_reversed": ("AlreadyReversed", "The transaction was reversed before."),
    "not_reversible": ("NotReversible", "A transaction of kind {kind} cannot be reversed."),
    "nothing_to_reinstate": ("NothingToReinstate", "Invoice {invoice_id} took no credit from this customer."),
    "hold_closed": ("HoldClosed", "The hold is {status}."),
    "hold_exceeded": ("HoldExceeded", "The hold reserves {held}, less than {requested}."),
    "batch_aborted": ("BatchAborted", "Nothing of this batch was written, because item {index} was refused."),
}
# Reason -> message about a field. The message may contain facts in braces.
FIELD_TEXTS: Mapping[str, str] = {
    "missing": "is required",
    "null": "must not be null",
    "not_text": "must be a string",
    "number_as_money": "must be a string of digits, not a number",
    "number_syntax": "must be a plain decimal number",
    "not_a_number": "must be a number",
    "not_finite": "must be a finite number",
    "not_positive": "must be greater than 0",
    "negative": "must not be negative",
    "too_many_decimals": "must have at most {max} decimals",
    "too_many_digits": "must have at most {max} digits before the point",
    "balance_too_large": "would make the grant's balance longer than {max} digits before the point",
    "not_whole": "must be a whole number",
    "too_small": "must be at least {min}",
    "too_large": "must be at most {max}",
    "too_long": "is too long: at most {max}",
    "too_short": "is too short: at least {min}",
    "text_syntax": "does not have the right form",
    "unstorable_text": "holds characters that cannot be stored",
    "unknown_choice": "must be one of: {choices}",
    "unknown_currency": "must be an ISO 4217 currency code",
    "bad_timestamp": "must be an RFC 3339 timestamp",
    "bad_day": "must be a day, as 2024-01-31",
    "bad_uuid": "must be a UUID",
    "not_boolean": "must be true or false",
    "not_json_object": "must be an object",
    "not_a_list": "must be a list",
    "bad_cursor": "is not a cursor of this list",
    "bad_key": "must be printable ASCII",
    "moment_out_of_range": "must be in the range {min} to {max}",
    "expiry_out_of_range": "must be in the range {min} to {max}; leave it out for never",
    "invisible_edge": "must not begin or end with the invisible character {character}",
    "too_deep": "must not be nested deeper than {max}",
    "number_out_of_range": "must not hold exponents beyond {max}",
    "unknown_name": "is not known to this call{hint}",
    "repeated_name": "must be given once",
    "too_long_ago": "is more than {max} periods ago",
    "too_far_ahead": "is more than {max} years ahead",
    "before_starts_on": "must not be before startsOn",
    "before_effective_date": "must not be before effectiveDate",
    "out_of_range": "is out of range",
    "other_account": "is not the account that On-Behalf-Of names",
    "unit_missing": "is required: currency, metricId or both",
    "one_unit": "or metricId is required, and not both",
    "not_in_the_future": "must be in the future",
    "hold_not_later": "must be later than {min}, when the hold ends",
    "hold_too_long": "must be no later than {max}, by the account's longest time for a hold",
}


class CreditsDialect(Dialect):
    """camelCase names; absent optional fields are omitted; one error envelope with a type, a message and details."""

    name = "Credits"
    omits_absent = True
    challenge = 'Basic realm="credits"'
    statuses = {
        **Dialect.statuses,
        "unknown_version": 400,
        "grant_not_found": 400,
        "grant_not_yet_effective": 400,
        "grant_expired": 400,
        "grant_voided": 400,
        "grant_drawn_on": 400,
        "grant_held": 400,
        "insufficient_credit": 400,
        "more_than_taken": 400,
        "not_reversible": 400,
        "exceeds_original": 400,
        "nothing_to_reinstate": 400,
        "hold_closed": 400,
        "hold_exceeded": 400,
        "batch_aborted": 400,
    }
    always_refuses = (*Dialect.always_refuses, "unknown_version")
    request_headers = {VERSION_HEADER: ({"type": "string", "enum": list(VERSIONS)}, "The version of the API; the newest by default.")}
    always_headers = {VERSION_HEADER: ({"type": "string", "enum": list(VERSIONS)}, "The version of the API that answers.")}

    def wire_name(self, name: str) -> str:
        return camel_case(name)

    def check_request(self, request: HttpRequest) -> None:
        """Raises RequestRefused (unknown_version)."""
        if request.META.get(_VERSION, VERSIONS[-1]) not in VERSIONS:
            raise RequestRefused("unknown_version")

    def reply_headers(self, request: HttpRequest) -> dict[str, str]:
        asked = request.META.get(_VERSION, "")
        return {VERSION_HEADER: asked if asked in VERSIONS else VERSIONS[-1]}

    def error_body(self, problem: Problem) -> dict[str, Any]:
        kind, message = ERROR_TEXTS[problem.code]
        details = [_field_detail(refused) for refused in self.fields_of(problem)] or self._facts(problem)
        facts = {name: _fact_as_json(value) for name, value in problem.facts.items()} | {"first": _first_detail_as_text(details)}
        error = {"type": kind, "message": message.format_map(facts)}
        return {"error": error | ({"details": details} if details else {})}

    def error_schema(self, status: int) -> tuple[str, dict[str, Any]]:
        detail = {
            "type": "object",
            "required": ["reason"],
            "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            "additionalProperties": True,
        }
        properties = {"type": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "array", "items": detail}}
        error = {"type": "object", "required": ["type", "message"], "properties": properties}
        return "CreditsError", {"type": "object", "required": ["error"], "properties": {"error": error}}

    def batch_item(self, item: ItemOutcome, row: Any) -> dict[str, Any]:
        body = {"index": item.index, "status": item.status}
        return body | ({"transaction": row} if item.problem is None else self.error_body(item.problem))

    def batch_body(self, outcome: BatchOutcome, items: list[Any]) -> dict[str, Any]:
        return {"items": items} | outcome.counts

    def page_body(self, *, page: Page, items: list[Any], request: HttpRequest) -> dict[str, Any]:
        cursors = {"after": page.next, "before": page.previous}
        return {"items": items, "pagination": {name: cursor for name, cursor in cursors.items() if cursor}}

    def page_schema(self, item: dict[str, Any]) -> dict[str, Any]:
        cursors = {"type": "object", "properties": {"after": {"type": "string"}, "before": {"type": "string"}}}
        properties = {"items": {"type": "array", "items": item}, "pagination": cursors}
        return {"type": "object", "required": ["items", "pagination"], "properties": properties}

    def _facts(self, problem: Problem) -> list[dict[str, Any]]:
        """A problem's facts, e.g. the balance, as one detail; no detail for problems whose message has all of them."""
        rendered = {
            self.wire_name(name): _fact_as_json(value)
            for name, value in problem.facts.items()
            if name not in INTERNAL_FACTS and value is not None
        }
        if "fields" in rendered:
            rendered["fields"] = [self.wire_name(name) for name in rendered["fields"]]
        field = ERROR_FIELDS.get(problem.code)
        if problem.code in WITHOUT_DETAILS or not (rendered or field):
            return []
        return [({"field": field} if field else {}) | {"reason": problem.code} | rendered]


# The field or header of the request that an error refers to.
ERROR_FIELDS = {
    "insufficient_credit": "amount",
    "more_than_taken": "amount",
    "hold_exceeded": "amount",
    "exceeds_original": "amount",
    "grant_not_found": "grantId",
    "grant_not_yet_effective": "grantId",
    "grant_expired": "grantId",
    "grant_voided": "grantId",
    "idempotency_conflict": "Idempotency-Key",
    "missing_header": "On-Behalf-Of",
    "nothing_to_reinstate": "invoiceId",
}
# Facts that no detail contains.
INTERNAL_FACTS = {"kind", "value", "name", "limit", "wait", "allowed", "account"}
# Codes of problems without details, because their message says all.
WITHOUT_DETAILS = {
    "not_found",
    "malformed_json",
    "unreadable_body",
    "not_an_object",
    "not_json_type",
    "body_too_large",
    "unknown_version",
    "not_authorized",
}


def _field_detail(refused: FieldProblem) -> dict[str, Any]:
    facts = {name: _fact_as_json(value) for name, value in refused.facts.items()}
    message = FIELD_TEXTS[refused.code].format_map(
        {name: ", ".join(value) if isinstance(value, list) else value for name, value in facts.items()}
    )
    return {"field": ".".join(str(step) for step in refused.path), "reason": refused.code, "message": message}


def _first_detail_as_text(details: list[dict[str, Any]]) -> str:
    if not details:
        return "it has the wrong form"
    return f"{details[0].get('field') or 'the body'} {details[0].get('message', details[0]['reason'])}"


def _fact_as_json(value: Any) -> Any:
    """A fact in the form of this API's JSON: amounts as digits in a string, moments in UTC."""
    match value:
        case Decimal():
            return trimmed_digits(value)
        case UUID():
            return str(value)
        case datetime():
            return milliseconds(value)
        case date():
            return value.isoformat()
        case list() | tuple():
            return [_fact_as_json(item) for item in value]
    return value


dialect = CreditsDialect()


class CreditsBody(Body):
    dialect = dialect


class CreditsQuery(Query):
    dialect = dialect


class CreditsReply(Reply):
    dialect = dialect


def without_blanks(row: dict[str, Any]) -> dict[str, Any]:
    """Drops empty strings: in the table they mean that the field was not sent, and the API omits absent fields."""
    return {name: value for name, value in row.items() if value != ""}
