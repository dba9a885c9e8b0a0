"""JSON arrays of objects in a transaction's row (costs, status changes, facts), read strictly; a refusal names the place."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kernel.backfills.reading.columns import Invalid, digest_text, identifier, moment, text
from kernel.backfills.reading.files.records import repeated_names

STAMPS: Mapping[str, Callable[[str], Any]] = {
    "id": identifier,
    "idempotency_key": text(at_most=255),
    "facts_digest": digest_text,
    "occurred_at": moment,
    "created_at": moment,
}
NULL = msgspec.Raw(b"null")
Reader = Callable[..., list[dict[str, Any]] | None]


class Part(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A row that belongs to a transaction. In an export it has its id, its idempotency key and its times."""

    id: str | None = None
    idempotency_key: str | None = None
    facts_digest: str | None = None
    occurred_at: str | None = None
    created_at: str | None = None


def optional_values(part: Part, readers: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The optional fields that a part has, each read by its reader. Raises Invalid."""
    return {name: read(value) for name, read in readers.items() if (value := getattr(part, name)) is not None}


def array_readers(kind: type[Part], read: Callable[[Any], dict[str, Any]], *, noun: str) -> tuple[Reader, Reader]:
    """Readers of an array of `kind`: from raw JSON, and from its text. Both raise Invalid."""
    decode = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]
    decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode

    def read_one(place: int, part: Any) -> dict[str, Any]:
        try:
            return read(part)
        except Invalid as invalid:
            raise Invalid(f"{noun} {place + 1}: {invalid}") from None

    def from_json(raw: bytes) -> list[dict[str, Any]] | None:
        if raw == b"null":
            return None
        if raw[:1] == b'"':
            return from_text(msgspec.json.decode(raw))
        try:
            parts = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid(f"is no list of {noun}s: {error}") from None
        # The decoder keeps the last value of a repeated name: of two amounts, the first would vanish.
        for place, object_ in enumerate(decode_raw(raw)):
            if repeated := repeated_names(bytes(object_)):
                raise Invalid(f"{noun} {place + 1}: names {', '.join(repeated)} more than once")
        return [read_one(place, part) for place, part in enumerate(parts)]

    def from_text(written: str) -> list[dict[str, Any]] | None:
        return from_json(written.encode("utf-8", "surrogateescape"))

    return from_json, from_text
