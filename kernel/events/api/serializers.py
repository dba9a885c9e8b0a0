"""The bodies and replies of the webhooks API."""

from typing import Any
from uuid import UUID

import msgspec

from kernel.api.fields import Boolean, Choice, Field, Integer, JsonObject, Text, Timestamp, storable
from kernel.api.json import Source
from kernel.api.nested import ListOf, Nested
from kernel.api.problems import Refused
from kernel.api.serializers import Body, Reply
from kernel.events import ids, registry
from kernel.events.api.dialect import TypePattern, dialect
from kernel.events.choices import URL_LENGTH, DeliveryState, DisabledReason, EndpointStatus, Ordering, Origin, Payload
from kernel.events.rendering import body_of
from kernel.events.services.endpoints import DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS, MAX_PATTERNS
from kernel.events.services.headers import MAX_HEADERS, shown_headers

DESCRIPTION_LENGTH, METADATA_SIZE, NOTE_LENGTH = 1000, 4096, 200


class WebhooksBody(Body):
    dialect = dialect


class WebhooksReply(Reply):
    dialect = dialect


class Reference(Field):
    """An id as callers see it: a prefix and the 32 digits of a UUID."""

    fast_type = str

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix

    def plain(self, value: UUID) -> str:
        return f"{self.prefix}_{value.hex}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.prefix}_[0-9a-f]{{32}}$"}


class TextOrNull(Text):
    """A text that is stored as an empty string where there is none."""

    def plain(self, value: Any) -> Any:
        return value or None


class StoredObject(Field):
    """An object that comes parsed from the database."""

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": True}


class TypeOfEvent(Text):
    """The type of the event that a delivery belongs to."""

    def plain(self, value: Any) -> str:
        return str(value.type)


class Share(Field):
    """From 0 to 1."""

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": 1}


class HeaderMap(Field):
    """Headers by name. A value null keeps the present one."""

    fast_type = msgspec.Raw
    type_code = "not_json_object"

    def parse(self, value: Any, source: Source | None = None) -> dict[str, str | None]:
        if not isinstance(value, dict):
            raise Refused("not_json_object")
        if not all(isinstance(each, str | None) for each in value.values()):
            raise Refused("header_map")
        return {storable(name): each if each is None else storable(each) for name, each in value.items()}

    def parse_raw(self, raw: bytes) -> dict[str, str | None]:
        return self.parse(msgspec.json.decode(raw))

    def plain(self, value: dict[str, str]) -> dict[str, None]:
        return shown_headers(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "maxProperties": MAX_HEADERS, "additionalProperties": {"type": ["string", "null"]}}

    def written_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": "null"}, "description": "The names; the values are never shown again."}


class EndpointRequest(WebhooksBody):
    """Where to send events, and which. Without a url nothing is sent: the events are only listed, for callers that pull them."""

    url = Text(required=False, default="", min_length=1, max_length=URL_LENGTH, example="https://example.com/hooks")
    enabled_events = ListOf(TypePattern(), min_items=1, max_items=MAX_PATTERNS, description="Types, patterns such as `billing.*`, or `*`.")
    description = Text(required=False, default="", max_length=DESCRIPTION_LENGTH)
    ordering = Choice(Ordering.values, required=False, default=str(Ordering.NONE), description="account: in order for each account.")
    payload = Choice(Payload.values, required=False, default=str(Payload.FULL), description="thin: bodies hold only the object's id.")
    headers = HeaderMap(required=False, description="Sent with every request, at most 10.")
    metadata = JsonObject(required=False, max_size=METADATA_SIZE)


class EndpointChange(WebhooksBody):
    """What to change; what is left out stays."""

    url = Text(required=False, min_length=1, max_length=URL_LENGTH)
    enabled_events = ListOf(TypePattern(), min_items=1, max_items=MAX_PATTERNS, required=False)
    description = Text(required=False, max_length=DESCRIPTION_LENGTH)
    ordering = Choice(Ordering.values, required=False)
    payload = Choice(Payload.values, required=False)
    headers = HeaderMap(required=False, description="In place of the present ones; null for a value keeps it.")
    metadata = JsonObject(required=False, max_size=METADATA_SIZE)
    status = Choice((EndpointStatus.ENABLED, EndpointStatus.DISABLED), required=False)
    note = Text(required=False, max_length=NOTE_LENGTH, description="Why it is disabled, for people.")
    version = Integer(required=False, min_value=1, description="Refuse the change if the endpoint has another version by now.")

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["note"] is not None and values["status"] != EndpointStatus.DISABLED:
            raise Refused("note_without_disabling", field="note")
        return values


class RotationRequest(WebhooksBody):
    may_be_empty = True
    grace_period_seconds = Integer(
        required=False, default=DEFAULT_GRACE_SECONDS, min_value=0, max_value=MAX_GRACE_SECONDS, description="How long both secrets sign."
    )
    force = Boolean(required=False, default=False, description="Also while an earlier secret still signs; that one stops at once.")


class TestRequest(WebhooksBody):
    may_be_empty = True
    type = Text(required=False, max_length=64, description="Whose example to send; by default one that the endpoint wants.")


class RecoveryRequest(WebhooksBody):
    """Which events to send again, by the time at which they were recorded."""

    since = Timestamp()
    until = Timestamp(required=False, description="Excluded.")
    only_failed = Boolean(required=False, default=True, description="false: also events for which there was no delivery.")


class EndpointReply(WebhooksReply):
    id = Reference(ids.ENDPOINT)
    url = TextOrNull(required=False, description="Null: nothing is sent, events are only listed.")
    enabled_events = ListOf(Text())
    description = Text()
    ordering = Choice(Ordering.values)
    payload = Choice(Payload.values)
    headers = HeaderMap()
    metadata = JsonObject(required=False)
    status = Choice(EndpointStatus.values)
    disabled_reason = TextOrNull(required=False, description=f"{', '.join(DisabledReason.values)}; null while it is enabled.")
    disabled_note = TextOrNull(required=False)
    disabled_at = Timestamp(required=False)
    secret_generation = Integer(description="How many secrets it has had.")
    previous_secret_valid_until = Timestamp(source="previous_valid_until", required=False, description="Until then two secrets sign.")
    consecutive_failures = Integer(description="Attempts that failed since the last success.")
    failing_since = Timestamp(source="first_failure_at", required=False)
    last_success_at = Timestamp(required=False)
    paused_until = Timestamp(source="not_before", required=False, description="The receiver asked to wait (Retry-After).")
    version = Integer()
    created_at = Timestamp()
    updated_at = Timestamp()


class CreatedReply(EndpointReply):
    """A new endpoint with its secret, which is shown only here and by GET /v1/webhook-endpoints/{id}/secret."""

    secret = Text()

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return EndpointReply.plain(row.row) | {"secret": row.secret}


class SecretReply(WebhooksReply):
    secret = Text(example="whsec_…")
    secret_generation = Integer()
    previous_secret_valid_until = Timestamp(required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        shown = EndpointReply.plain(row.row)
        return {"secret": row.secret} | {name: shown[name] for name in ("secretGeneration", "previousSecretValidUntil")}


class AttemptReply(WebhooksReply):
    """A request that was sent, and what came back. `error` is null for an answer of 2xx."""

    number = Integer()
    at = Timestamp()
    duration_ms = Integer()
    status_code = Integer(required=False)
    error = TextOrNull(required=False)
    request_headers = StoredObject(description="Without the values of the endpoint's own headers.")
    response_head = Text(description="The first 4 KB of the answer.")
    ip = TextOrNull(required=False)


class DeliveryReply(WebhooksReply):
    id = Reference(ids.DELIVERY)
    event_id = Reference(ids.EVENT)
    endpoint_id = Reference(ids.ENDPOINT)
    type = TypeOfEvent(source="event")
    account = TextOrNull(required=False)
    sequence = Integer(required=False)
    state = Choice(DeliveryState.values)
    origin = Choice(Origin.values)
    attempts = Integer()
    last_status_code = Integer(required=False)
    last_error = TextOrNull(required=False)
    next_at = Timestamp(required=False, description="When it is tried next; null once that is over.")
    released_by_age = Boolean(description="An ordered endpoint didn't wait for it any longer.")
    created_at = Timestamp()
    finished_at = Timestamp(required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        is_over = {"nextAt": None} if row.finished_at is not None else {}
        return super().plain(row) | is_over


class DeliveryDetailReply(DeliveryReply):
    """A delivery with what was sent, byte for byte, and every attempt."""

    body = Text()
    history = ListOf(Nested(AttemptReply))

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        return DeliveryReply.plain(row.delivery) | {
            "body": row.body,
            "history": [AttemptReply.plain(attempt) for attempt in row.attempts],
        }


class TestReply(WebhooksReply):
    """What became of a test. `attempt` is null if it could not be made."""

    delivery_id = Reference(ids.DELIVERY)
    event_id = Reference(ids.EVENT)
    state = Choice(DeliveryState.values)
    attempt = Nested(AttemptReply, required=False)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        shown = DeliveryReply.plain(row.delivery)
        attempt = AttemptReply.plain(row.attempt) if row.attempt is not None else None
        return {"deliveryId": shown["id"], "eventId": shown["eventId"], "state": shown["state"], "attempt": attempt}


class RecoveryReply(WebhooksReply):
    id = Reference("whr", description="Names the recovery in the service's log.")
    count = Integer(description="How many deliveries were made.")
    next_since = Timestamp(fine=True, required=False, description="There is more: recover from this moment on next.")


class PeriodReply(WebhooksReply):
    period = Text()
    since = Timestamp()
    counts = StoredObject(description="Deliveries by state, tests left out.")
    success_share = Share(required=False, description="Of those that are over.")
    p50_ms = Integer(required=False, description="Half of the attempts took no longer, in milliseconds.")
    p95_ms = Integer(required=False)


class StatsReply(WebhooksReply):
    """Of the last 24 hours and 7 days."""

    last_success_at = Timestamp(required=False)
    periods = ListOf(Nested(PeriodReply))


class EventTypeReply(WebhooksReply):
    name = Text()
    group = Choice(registry.GROUPS)
    description = Text()
    account = TextOrNull(required=False, description="An example of the account in whose order its events come; null: none.")
    object_type = Text(description="What `data.object` is.")
    example = StoredObject(description="A whole body.")


class EventTypesReply(WebhooksReply):
    api_version = Text()
    types = ListOf(Nested(EventTypeReply))


class EventReply(WebhooksReply):
    """An event, byte for byte as endpoints get it."""

    type = Text()
    timestamp = Timestamp(description="When it happened.")
    id = Reference(ids.EVENT)
    account = Text(required=False)
    sequence = Integer(required=False, description="Orders the events of an account.")
    api_version = Text()
    data = JsonObject(description="`object` as the API of its ledger writes it, sometimes `previous`.")

    @classmethod
    def plain(cls, row: Any) -> Any:
        return msgspec.Raw(body_of(row).encode())
