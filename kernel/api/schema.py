"""The public schema, drawn from what the code declares: bodies, queries and replies, and each view's `@operation`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiSerializerExtension
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
    # Other forms that the reply can take, e.g. text/csv.
    other_media: tuple[str, ...] = ()
    example: dict[str, Any] = field(default_factory=dict)


def operation(**facts: Any) -> Callable[[View], View]:
    """Says of a view's method what stands in the schema: the arguments are Operation's."""
    said = Operation(**facts)

    def decorate(method: View) -> View:
        method.operation = said  # type: ignore[attr-defined]
        return method

    return decorate


class LedgerSchema(AutoSchema):
    """REST framework's views of the ledgers in the OpenAPI document; other views are left to drf-spectacular."""

    @property
    def said(self) -> Operation | None:
        """The operation of the view's method; None for views that aren't a ledger's."""
        if not isinstance(getattr(self.view, "dialect", None), Dialect):
            return None
        method = getattr(self.view, self.view.action or "", None)
        if not hasattr(method, "operation"):
            raise TypeError(f"{type(self.view).__name__}.{self.view.action} needs an @operation to be in the schema.")
        return method.operation  # type: ignore[no-any-return]

    @property
    def dialect(self) -> Dialect:
        return self.view.dialect  # type: ignore[no-any-return]

    def get_operation_id(self) -> str:
        if self.said is None:
            return super().get_operation_id()
        words = [word.replace("-", "_") for word in self._tokenize_path() if word != "v1"]
        if words[-1] != self.view.action:
            words.append(self.view.action)
        ledger = self.view.ledger
        return "_".join(words if words[0] == ledger else [ledger, *words])

    def get_description(self) -> str:
        if self.said is None:
            return super().get_description()
        # Only the method's own docstring: the classes' are for those who read the code.
        text = getattr(self.view, self.view.action).__doc__ or ""
        return "\n".join(line.strip() for line in text.strip().splitlines())

    def get_summary(self) -> str | None:
        return self.said.summary if self.said else super().get_summary()

    def get_tags(self) -> list[str]:
        return [self.dialect.name] if self.said else super().get_tags()

    def get_override_parameters(self) -> list[Any]:
        if self.said is None:
            return super().get_override_parameters()
        return [*_query_parameters(self, self.said), *self._request_headers(self.said), *self._reply_headers(self.said)]

    def _request_headers(self, said: Operation) -> list[OpenApiParameter]:
        headers = dict(self.dialect.request_headers)
        if said.idempotent:
            headers["Idempotency-Key"] = (KEY_SCHEMA, "The same key with the same facts gives the first reply again.")
        acting_required = self.view.action in self.view.requires_on_behalf_of
        headers["On-Behalf-Of"] = ({"type": "string"}, "The account that this call is made for: the key's own or a child of it.")
        return [
            _parameter(name, schema, note, location=OpenApiParameter.HEADER, required=acting_required and name == "On-Behalf-Of")
            for name, (schema, note) in headers.items()
        ]

    def _reply_headers(self, said: Operation) -> list[OpenApiParameter]:
        headers = [
            OpenApiParameter(name=name, type=schema, location=OpenApiParameter.HEADER, description=note, response=True)
            for name, (schema, note) in self.dialect.always_headers.items()
        ]
        if said.replays:
            note = "Set to true where this is the reply of an earlier call."
            schema = {"type": "string", "enum": ["true"]}
            headers.append(_header("Idempotent-Replayed", schema, note, statuses=[said.status]))
        if said.body and said.body.ignores_unknown:
            note = "The fields of the body that this call doesn't have, and ignored: their paths, percent-encoded, `*` for more than 20."
            headers.append(_header("Ignored-Fields", {"type": "string"}, note, statuses=[said.status]))
        headers.append(_header("WWW-Authenticate", {"type": "string"}, "How to authenticate.", statuses=[401]))
        headers.append(_header("Retry-After", {"type": "integer"}, "Seconds to wait before the next try.", statuses=[429, 503]))
        return headers

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False if self.said else super()._is_list_view(serializer)

    def get_request_serializer(self) -> Any:
        return self.said.body if self.said else super().get_request_serializer()

    def _get_request_body(self, direction: str = "request") -> Any:
        said = self.said
        if said is None:
            return super()._get_request_body(direction)
        if said.body is None:
            return None
        schema = self.resolve_serializer(said.body, direction).ref
        content = {"application/json": {"schema": {"type": "array", "items": schema} if said.many else schema}}
        if said.example:
            content["application/json"]["example"] = said.example
        if said.many:
            content["application/x-ndjson"] = {"schema": {"type": "string"}}
        return {"content": content, "required": not said.body.may_be_empty}

    def get_response_serializers(self) -> Any:
        return {} if self.said else super().get_response_serializers()

    def _get_response_bodies(self, direction: str = "response") -> Any:
        said = self.said
        if said is None:
            return super()._get_response_bodies(direction)
        responses = {said.status: OpenApiResponse(response=self._reply_schema(said), description=HTTPStatus(said.status).phrase)}
        for status in sorted(self._refused_statuses(said)):
            responses[status] = OpenApiResponse(response=self._error_schema(status), description=HTTPStatus(status).phrase)
        bodies = {
            str(status): self._get_response_for_code(response, str(status), direction=direction) for status, response in responses.items()
        }
        for media_type in said.other_media:
            bodies[str(said.status)]["content"][media_type] = {"schema": {"type": "string"}}
        return bodies

    def _reply_schema(self, said: Operation) -> dict[str, Any] | None:
        if said.reply is None or isinstance(said.reply, dict):
            return said.reply
        schema = self.resolve_serializer(said.reply, "response").ref
        return self.dialect.page_schema(schema) if said.paged else schema

    def _refused_statuses(self, said: Operation) -> set[int]:
        # Every call refuses parameters that it doesn't declare.
        codes = {"invalid", *self.dialect.always_refuses, "outcome_unknown", "not_authorized", *said.refuses}
        if said.body:
            codes |= {*BODY_CODES}
        if self.view.action in self.view.requires_on_behalf_of:
            codes.add("missing_header")
        if "{" in self.path:
            codes.add("not_found")
        places = ("header", "query", "body") if said.body else ("header", "query")
        return {self.dialect.status(Problem(code=code, place=place)) for code in codes for place in places}

    def _error_schema(self, status: int) -> dict[str, Any]:
        name, schema = self.dialect.error_schema(status)
        component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=name)
        self.registry.register_on_missing(component)
        return component.ref  # type: ignore[no-any-return]


class DeclaredExtension(OpenApiSerializerExtension):
    """Bodies, queries and replies by their plan: the same names and order that parsing and writing use."""

    target_class = Declared
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        kind = type(self.target)
        return kind.__name__ if kind.dialect is None or kind.__name__.startswith(kind.dialect.name) else kind.dialect.name + kind.__name__

    def get_identity(self, auto_schema: AutoSchema, direction: str) -> Any:
        return type(self.target)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        kind = type(self.target)
        is_reply = issubclass(kind, Reply)
        properties, required = {}, []
        for entry in kind.plan:
            always_there = entry.field.required or (is_reply and not kind.omits_absent and not entry.field.omitted)
            if always_there:
                required.append(entry.wire_name)
            may_be_null = entry.field.allow_null or (always_there and not entry.field.required)
            properties[entry.wire_name] = _described(entry.field, schema_of(entry.field, auto_schema, direction), may_be_null=may_be_null)
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if issubclass(kind, Body) and not kind.ignores_unknown:
            schema["additionalProperties"] = False
        own = (kind.__dict__.get("__doc__") or "").strip()
        return schema | ({"description": own} if own else {})


def schema_of(declared: Field, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
    """The JSON schema of a field's value that isn't null."""
    if isinstance(declared, ListOf):
        limits = {"minItems": declared.min_items or None, "maxItems": declared.max_items}
        items = _described(declared.child, schema_of(declared.child, auto_schema, direction), may_be_null=declared.child.allow_null)
        return {"type": "array", "items": items} | {name: limit for name, limit in limits.items() if limit is not None}
    if isinstance(declared, Nested):
        return auto_schema.resolve_serializer(declared.shape, direction).ref  # type: ignore[no-any-return]
    return declared.schema() if direction == "request" else declared.written_schema()


def _described(declared: Field, schema: dict[str, Any], *, may_be_null: bool) -> dict[str, Any]:
    """The schema with what the field says of itself around it."""
    if may_be_null:
        schema = _nullable(schema)
    said: dict[str, Any] = {}
    if declared.description:
        said["description"] = declared.description
    if declared.default is not empty and declared.default is not None:
        said["default"] = declared.plain(declared.default) if isinstance(declared.default, str | int) else str(declared.default)
    if declared.example is not empty:
        said["examples"] = [declared.example]
    return schema | said


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema or "anyOf" in schema:
        return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | values


def _query_parameters(auto_schema: AutoSchema, said: Operation) -> Iterable[OpenApiParameter]:
    for entry in said.query.plan if said.query else ():
        schema = _described(entry.field, schema_of(entry.field, auto_schema, "request"), may_be_null=False)
        note = schema.pop("description", "")
        yield _parameter(entry.wire_name, schema, note, location=OpenApiParameter.QUERY, required=entry.field.required)


def _parameter(name: str, schema: dict[str, Any], note: str, *, location: Any, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=schema, location=location, description=note, required=required)


def _header(name: str, schema: dict[str, Any], note: str, *, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name=name, type=schema, location=OpenApiParameter.HEADER, description=note, response=statuses)
