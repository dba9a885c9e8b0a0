"""Makes the bodies of events: what is signed and sent.

A posting function stores the object as it was when it committed, as JSON of columns. An app's `event_bodies` module says with which reply
of its API the object is written, so a receiver gets what a GET would have answered then.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from kernel.api.amounts import Amount
from kernel.api.fields import Day, Field, Timestamp
from kernel.api.json import milliseconds
from kernel.api.nested import ListOf, Nested
from kernel.api.serializers import Reply
from kernel.events.ids import event_ref
from kernel.events.models import Event
from kernel.events.registry import API_VERSION, get_type

# Larger bodies are sent without the object: receivers fetch it by its id (Standard Webhooks asks for less than 20 kB).
MAX_BODY_BYTES = 20_000
Render = Callable[[dict[str, Any]], dict[str, Any]]
_RENDERS: dict[str, Render] = {}
_encode = msgspec.json.Encoder().encode


def register_body(*types: str, render: Render) -> None:
    """Say how `data` is made of a snapshot for these types: a dictionary with `object` and perhaps `previous`."""
    _RENDERS.update(dict.fromkeys(types, render))


def with_reply(reply: type[Reply], complete: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Render:
    """`data` with one object, written by a reply of an API. `complete` adds what the API's view adds to a row."""
    return lambda snapshot: {"object": reply.plain(complete(with_python_types(reply, snapshot)))}


def with_python_types(reply: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that was read from JSON, with the values that a reply's fields take: Decimal, datetime, date."""
    fields = {member.key: member.field for member in reply.declared_fields}
    return {name: _typed_value(fields[name], value) if name in fields and value is not None else value for name, value in row.items()}


def _typed_value(field: Field, value: Any) -> Any:
    if isinstance(field, Amount):
        return Decimal(value)
    if isinstance(field, Timestamp):
        return datetime.fromisoformat(value)
    if isinstance(field, Day):
        return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(field, Nested):
        return with_python_types(field.shape, value)
    if isinstance(field, ListOf):
        return [_typed_value(field.child, item) for item in value]
    return value


def body_of(event: Event) -> str:
    """The body of an event: the stored one, or one made of the snapshot, which fan-out will store. Raises what a renderer raises."""
    if event.body is not None:
        return event.body
    snapshot = json.loads(event.snapshot or "{}", parse_float=Decimal)
    render = _RENDERS.get(event.type)
    body = _body(event, render(snapshot) if render is not None else {"object": snapshot})
    return body if len(body.encode()) <= MAX_BODY_BYTES else thin_body_of(event)


def thin_body_of(event: Event) -> str:
    """The body without the object: only what it is, and its id."""
    return _body(event, {"object": {"id": event.object_id or None, "type": _object_type(event.type)}, "truncated": True})


def _body(event: Event, data: Mapping[str, Any]) -> str:
    return _encode(
        {
            "type": event.type,
            "timestamp": milliseconds(event.occurred_at),
            "id": event_ref(event.id),
            "account": event.account or None,
            "sequence": event.sequence,
            "apiVersion": API_VERSION,
            "data": data,
        }
    ).decode()


def _object_type(name: str) -> str:
    try:
        return get_type(name).object_type
    except KeyError:
        return ""
