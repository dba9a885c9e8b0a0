"""The OpenAPI document, made from what the code declares: bodies, queries, replies and each view's `@operation`.

The examples are real replies, which a test records in `<app>/api/examples.json` (tests/scenarios/test_api_examples.py).
"""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.fields import empty

from kernel.api.dialect import Dialect
from kernel.api.fields import Field
from kernel.api.nested import ListOf, Nested
from kernel.api.problems import BODY_CODES, Problem
from kernel.api.serializers import Body, Declared, Query, Reply

View = TypeVar("View", bound=Callable[..., Any])
KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a call takes and gives, for the schema. `refuses`: the codes of the services it calls; what every call may answer is added."""

    summary: str
    body: type[Body] | None = None
    # The body is a bare array of `body`, or newline-delimited.
    many: bool = False
    query: type[Query] | None = None
    reply: type[Reply] | dict[str, Any] | None = None
    # The reply is a page of `reply`, in the dialect's shape.
    paged: bool = False
    status: int = 200
    refuses: tuple[str, ...] = ()
    # Reads Idempotency-Key; `replays`: marks a repeated call's reply.
    idempotent: bool = False
    replays: bool = False
    # Waits for postings in flight where the query names a moment in the past, and says in Final-Until up to when the reply is final.
    reads_past: bool = False
    # Other forms that the reply can take, e.g. text/csv.
    other_media: tuple[str, ...] = ()


def operation(**facts: Any) -> Callable[[View], View]:
    """Declares what a view's method takes and gives; the arguments are Operation's."""
    declared = Operation(**facts)

    def decorate(method: View) -> View:
        method.operation = declared  # type: ignore[attr-defined]
        return method

    return decorate


class LedgerSchema(AutoSchema):
    """The views of the ledgers in the OpenAPI document; other views are left to drf-spectacular."""

    # A LedgerViewSet in most methods.
    view: Any

    @property
    def operation(self) -> Operation | None:
        """The operation of the view's method; None for views that aren't a ledger's."""
        if not isinstance(getattr(self.view, "dialect", None), Dialect):
            return None
        method = getattr(self.view, self.view.action or "", None)
        declared: Operation | None = getattr(method, "operation", None)
        if declared is None:
            raise TypeError(f"{type(self.view).__name__}.{self.view.action} needs an @operation to be in the schema.")
        return declared

    @property
    def dialect(self) -> Dialect:
        dialect: Dialect = self.view.dialect
        return dialect

    def get_operation_id(self) -> str:
        if self.operation is None:
            return super().get_operation_id()
        words = [word.replace("-", "_") for word in self._tokenize_path() if word != "v1"]
        if words[-1] != self.view.action:
            words.append(self.view.action)
        ledger = self.view.ledger
        return "_".join(words if words[0] == ledger else [ledger, *words])

    def get_description(self) -> str:  # type: ignore[override]
        if self.operation is None:
            return super().get_description()
        # Only the method's own docstring: those of the classes are for readers of the code.
        text = getattr(self.view, self.view.action).__doc__ or ""
        return "\n".join(line.strip() for line in text.strip().splitlines())

    def get_summary(self) -> str | None:
        return self.operation.summary if self.operation else super().get_summary()

    def get_tags(self) -> list[str]:
        return [self.dialect.name] if self.operation else super().get_tags()

    def get_override_parameters(self) -> list[Any]:
        declared = self.operation
        if declared is None:
            return super().get_override_parameters()
        return [*_query_parameters(self, declared), *self._request_headers(declared), *self._reply_headers(declared)]

    def _request_headers(self, declared: Operation) -> list[OpenApiParameter]:
        headers = dict(self.dialect.request_headers)
        if declared.idempotent:
            headers["Idempotency-Key"] = (KEY_SCHEMA, "The same key with the same facts gives the first reply again.")
        acting_required = self.view.action in self.view.requires_on_behalf_of
        headers["On-Behalf-Of"] = ({"type": "string"}, "The tenant that this call is made for: the key's own or a child of it.")
        return [
            _parameter(name, schema, note, location=OpenApiParameter.HEADER, required=acting_required and name == "On-Behalf-Of")
            for name, (schema, note) in headers.items()
        ]

    def _reply_headers(self, declared: Operation) -> list[OpenApiParameter]:
        headers = [
            OpenApiParameter(name=name, type=schema, location=OpenApiParameter.HEADER, description=note, response=True)
            for name, (schema, note) in self.dialect.always_headers.items()
        ]
        if declared.replays:
            note = "Set to true where this is the reply of an earlier call."
            schema = {"type": "string", "enum": ["true"]}
            headers.append(_header("Idempotent-Replayed", schema, note, statuses=[declared.status]))
        if declared.reads_past:
            note = "An answer about a past moment: it includes all that was booked up to this one, which can't change any more."
            headers.append(_header("Final-Until", {"type": "string", "format": "date-time"}, note, statuses=[declared.status]))
        if declared.body and declared.body.ignores_unknown:
            note = "The fields of the body that this call doesn't have, and ignored: their paths, percent-encoded, `*` for more than 20."
            headers.append(_header("Ignored-Fields", {"type": "string"}, note, statuses=[declared.status]))
        headers.append(_header("WWW-Authenticate", {"type": "string"}, "How to authenticate.", statuses=[401]))
        headers.append(_header("Retry-After", {"type": "integer"}, "Seconds to wait before the next try.", statuses=[429, 503]))
        return headers

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False if self.operation else super()._is_list_view(serializer)

    def get_request_serializer(self) -> Any:
        return None if self.operation else super().get_request_serializer()

    def _get_request_body(self, direction: Any = "request") -> Any:
        declared = self.operation
        if declared is None:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if declared.body is None:
            return None
        schema = self.component_of(declared.body)
        media: dict[str, Any] = {"schema": {"type": "array", "items": schema} if declared.many else schema}
        recorded = self._recorded()
        if "request" in recorded:
            media["example"] = recorded["request"]
        content = {"application/json": media}
        if declared.many:
            content["application/x-ndjson"] = {"schema": {"type": "string"}}
        return {"content": content, "required": not declared.body.may_be_empty}

    def get_response_serializers(self) -> Any:
        return {} if self.operation else super().get_response_serializers()

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        declared = self.operation
        if declared is None:
            return super()._get_response_bodies(direction)
        bodies = {str(declared.status): self._response(declared.status, self._reply_schema(declared), direction)}
        recorded = self._recorded()
        content = bodies[str(declared.status)].get("content", {})
        if "response" in recorded and "application/json" in content:
            content["application/json"]["example"] = recorded["response"]
        for status, codes in sorted(self._refused_codes(declared).items()):
            bodies[str(status)] = self._response(status, self._error_schema(status), direction)
            if examples := self._error_examples(codes):
                bodies[str(status)]["content"]["application/json"]["examples"] = examples
        for media_type in declared.other_media:
            content[media_type] = {"schema": {"type": "string"}}
        return bodies

    def _response(self, status: int, schema: dict[str, Any] | None, direction: Any) -> dict[str, Any]:
        response = OpenApiResponse(response=schema, description=HTTPStatus(status).phrase)
        body: dict[str, Any] = self._get_response_for_code(response, str(status), direction=direction)  # type: ignore[no-untyped-call]
        return body

    def _reply_schema(self, declared: Operation) -> dict[str, Any] | None:
        if declared.reply is None or isinstance(declared.reply, dict):
            return declared.reply
        schema = self.component_of(declared.reply)
        return self.dialect.page_schema(schema) if declared.paged else schema

    def _refused_codes(self, declared: Operation) -> dict[int, list[str]]:
        """The codes that the call may answer, by their statuses."""
        # Every call refuses parameters that it doesn't declare.
        codes = {"invalid", "unknown_host", *self.dialect.always_refuses, "outcome_unknown", "not_authorized", *declared.refuses}
        if declared.body:
            codes |= {*BODY_CODES}
        if self.view.action in self.view.requires_on_behalf_of:
            codes.add("missing_header")
        if "{" in self.path:
            codes.add("not_found")
        places = ("header", "query", "body") if declared.body else ("header", "query")
        by_status: dict[int, list[str]] = {}
        for code in sorted(codes):
            for status in {self.dialect.status(Problem(code=code, place=place)) for place in places}:
                by_status.setdefault(status, []).append(code)
        return by_status

    def _error_schema(self, status: int) -> dict[str, Any]:
        name, schema = self.dialect.error_schema(status)
        return _registered(self, name, name, lambda: schema)

    def _error_examples(self, codes: Iterable[str]) -> dict[str, Any]:
        """References to the recorded replies for these codes, each under its code."""
        recorded = examples_of(self.dialect)["errors"]
        return {code: self._error_example(code, recorded[code]) for code in codes if code in recorded}

    def _error_example(self, code: str, body: Any) -> dict[str, Any]:
        name = f"{self.dialect.name}_{code}"
        return _registered(self, name, name, lambda: {"value": body}, kind=ResolvedComponent.EXAMPLE)

    def _recorded(self) -> dict[str, Any]:
        """The recorded request and response of this operation."""
        recorded: dict[str, Any] = examples_of(self.dialect)["operations"].get(self.get_operation_id(), {})
        return recorded

    def component_of(self, kind: "type[Declared]") -> dict[str, Any]:
        """A reference to the component of a body or reply; made, with those that it refers to, at the first call."""
        prefix = kind.dialect.name if kind.dialect else ""
        name = kind.__name__ if kind.__name__.startswith(prefix) else prefix + kind.__name__
        return _registered(self, name, kind, lambda: _object_schema(kind, self))


@cache
def examples_of(dialect: Dialect) -> dict[str, Any]:
    """The recorded examples of an API: `operations` by operationId, `errors` by code. Without a file there are none."""
    path = Path(inspect.getfile(type(dialect))).with_name("examples.json")
    if not path.exists():
        return {"operations": {}, "errors": {}}
    recorded: dict[str, Any] = json.loads(path.read_text())
    return recorded


def _registered(
    auto_schema: AutoSchema, name: str, identity: Any, make: Callable[[], dict[str, Any]], *, kind: str = ResolvedComponent.SCHEMA
) -> dict[str, Any]:
    """A reference to a component, which is made at the first call."""
    component = ResolvedComponent(name=name, type=kind, object=identity)  # type: ignore[no-untyped-call]
    if component not in auto_schema.registry:
        auto_schema.registry.register(component)
        component.schema = make()
    reference: dict[str, Any] = component.ref
    return reference


def _object_schema(kind: "type[Declared]", auto_schema: LedgerSchema) -> dict[str, Any]:
    """The schema of a body or reply, in wire names and in the order of declaration."""
    properties, required = {}, []
    for member in kind.declared_fields:
        always_there = member.field.required or (issubclass(kind, Reply) and not kind.omits_absent and not member.field.omitted)
        if always_there:
            required.append(member.wire_name)
        may_be_null = member.field.allow_null or (always_there and not member.field.required)
        schema = schema_of(member.field, auto_schema, is_reply=issubclass(kind, Reply))
        properties[member.wire_name] = _described(member.field, schema, may_be_null=may_be_null)
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if issubclass(kind, Body) and not kind.ignores_unknown:
        schema["additionalProperties"] = False
    own = (kind.__dict__.get("__doc__") or "").strip()
    return schema | ({"description": own} if own else {})


def schema_of(declared: Field, auto_schema: LedgerSchema, *, is_reply: bool) -> dict[str, Any]:
    """The JSON schema of a field's value that isn't null."""
    if isinstance(declared, ListOf):
        limits = {"minItems": declared.min_items or None, "maxItems": declared.max_items}
        items = _described(declared.child, schema_of(declared.child, auto_schema, is_reply=is_reply), may_be_null=declared.child.allow_null)
        return {"type": "array", "items": items} | {name: limit for name, limit in limits.items() if limit is not None}
    if isinstance(declared, Nested):
        return auto_schema.component_of(declared.shape)
    return declared.written_schema() if is_reply else declared.schema()


def _described(declared: Field, schema: dict[str, Any], *, may_be_null: bool) -> dict[str, Any]:
    """The schema with the field's description, default and example."""
    if may_be_null:
        schema = _nullable(schema)
    notes: dict[str, Any] = {}
    texts = (declared.description, schema.get("description"))
    if text := " ".join(text for text in texts if text):
        notes["description"] = text
    if declared.default is not empty and declared.default is not None:
        notes["default"] = declared.plain(declared.default) if isinstance(declared.default, str | int) else str(declared.default)
    if declared.example is not empty:
        notes["examples"] = [declared.example]
    return schema | notes


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | values


def _query_parameters(auto_schema: LedgerSchema, declared: Operation) -> Iterable[OpenApiParameter]:
    for member in declared.query.declared_fields if declared.query else ():
        schema = _described(member.field, schema_of(member.field, auto_schema, is_reply=False), may_be_null=False)
        note = schema.pop("description", "")
        yield _parameter(member.wire_name, schema, note, location=OpenApiParameter.QUERY, required=member.field.required)


def _parameter(name: str, schema: dict[str, Any], note: str, *, location: Any, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=schema, location=location, description=note, required=required)


def _header(name: str, schema: dict[str, Any], note: str, *, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=schema, location=OpenApiParameter.HEADER, description=note, response=statuses)
