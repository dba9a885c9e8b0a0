"""What differs between the published APIs, in one object each: names, error texts, statuses, headers, the shape of pages and batches.

Each app subclasses `Dialect` once, in `<app>/api/dialect.py`, and makes one instance.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest

from kernel.api.batches import BatchOutcome, ItemOutcome
from kernel.api.pagination import Page
from kernel.api.problems import FieldProblem, Problem


def camel_case(name: str) -> str:
    """`grant_id` -> `grantId`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Dialect:
    """The form of one API. A subclass must define `error_body` and `error_schema`, and what its views use of pages and batches."""

    name: ClassVar[str] = ""
    # A body whose Content-Type isn't JSON is refused as `not_json_type` (the published billing service reads it as text).
    requires_json_type: ClassVar[bool] = False
    # Absent optionals are left out of replies instead of being null.
    omits_absent: ClassVar[bool] = False
    # What the cursor parameters `after` and `before` of a page are called.
    cursor_names: ClassVar[Mapping[str, str]] = {"after": "after", "before": "before"}
    # Every code that this API can answer, with its status; an app adds its own: `statuses = Dialect.statuses | {"insufficient": 402}`.
    statuses: ClassVar[Mapping[str, int]] = {
        "invalid": 400,
        "invalid_value": 400,
        "empty_body": 400,
        "not_json_type": 400,
        "malformed_json": 400,
        "unreadable_body": 400,
        "not_an_object": 400,
        "body_too_large": 413,
        "unknown_host": 400,
        "missing_header": 400,
        "not_authenticated": 401,
        "not_authorized": 401,
        "forbidden": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "idempotency_conflict": 409,
        "already_reversed": 409,
        "throttled": 429,
        "internal": 500,
        "busy": 503,
        "unavailable": 503,
        "outcome_unknown": 503,
    }
    # Codes that any call of this API may answer: the schema documents their statuses everywhere.
    always_refuses: ClassVar[tuple[str, ...]] = ("not_authenticated", "forbidden", "throttled", "busy", "internal")
    # Request headers that every call understands and reply headers that every reply carries: name -> (JSON schema, description).
    request_headers: ClassVar[Mapping[str, tuple[dict[str, Any], str]]] = {}
    always_headers: ClassVar[Mapping[str, tuple[dict[str, Any], str]]] = {}
    # The scheme named in WWW-Authenticate of a 401.
    challenge: ClassVar[str] = "Bearer"

    def wire_name(self, name: str) -> str:
        """The name in JSON of a declared field."""
        return name

    def status(self, problem: Problem) -> int:
        """The HTTP status of a problem. An unlisted code is a fault of ours: KeyError, which is logged and becomes a 500."""
        return self.statuses[problem.code]

    def error_body(self, problem: Problem) -> dict[str, Any]:
        """The error body of this API. Values echoed from the request may be of any JSON type; they are rendered safely."""
        raise NotImplementedError

    def error_schema(self, status: int) -> tuple[str, dict[str, Any]]:
        """Component name and JSON schema of the error body of a status."""
        raise NotImplementedError

    def headers(self, problem: Problem) -> dict[str, str]:
        """Headers of an error reply: the challenge of a 401, Allow of a 405, Retry-After of a 429 or 503."""
        headers = dict(problem.headers)
        status = self.status(problem)
        if status == 401:
            headers["WWW-Authenticate"] = self.challenge
        if status == 405:
            headers["Allow"] = ", ".join(problem.facts.get("allowed", ()))
        if status == 503:
            headers["Retry-After"] = "1"
        if problem.facts.get("wait"):
            headers["Retry-After"] = str(int(problem.facts["wait"]) + 1)
        return headers

    def check_request(self, request: HttpRequest) -> None:
        """Refuse a request before anything else is looked at, e.g. for an unknown version header. Raises RequestRefused."""

    def reply_headers(self, request: HttpRequest) -> dict[str, str]:
        """Headers that every reply carries, errors too. Must not raise: the request may be the very one that was refused."""
        return {}

    def page_body(self, *, page: Page, items: list[Any], request: HttpRequest) -> dict[str, Any]:
        """The reply of a list. `items` are rendered already; the page knows its cursors and limit."""
        raise NotImplementedError

    def page_schema(self, item: dict[str, Any]) -> dict[str, Any]:
        """JSON schema of that reply, around the schema of one item."""
        raise NotImplementedError

    def batch_item(self, item: ItemOutcome, row: Any) -> dict[str, Any]:
        """One item of a batch's reply. `row`: the item's row as a reply has it, None where the item was refused or only ids are wanted."""
        raise NotImplementedError

    def batch_body(self, outcome: BatchOutcome, items: list[Any]) -> dict[str, Any]:
        """The reply of a batch. `items` are rendered already."""
        raise NotImplementedError

    def batch_status(self, outcome: BatchOutcome) -> int:
        """The HTTP status of a batch's reply."""
        return 200

    def fields_of(self, problem: Problem) -> tuple[FieldProblem, ...]:
        """The refused fields, also where a service refused a value: its `field` fact becomes a path in wire_name names."""
        if problem.fields or "field" not in problem.facts:
            return problem.fields
        facts = {name: value for name, value in problem.facts.items() if name not in {"field", "reason", "value"}}
        name = self.wire_name(problem.facts["field"])
        return (FieldProblem((name,), problem.facts.get("reason", problem.code), facts, problem.facts.get("value")),)
