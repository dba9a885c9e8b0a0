"""What belongs to a transaction and travels in its row: JSON arrays of objects, read strictly, each fault named by its place."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kernel.backfills.columns import Invalid, digest_text, identifier, moment, text

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
    """A row of the book that hangs on a transaction. From an export it has its id, the key of the call that wrote it, and its times."""

    id: str | None = None
    idempotency_key: str | None = None
    facts_digest: str | None = None
    occurred_at: str | None = None
    created_at: str | None = None


def given_of(part: Part, readers: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """What was given of the fields that a part may lack, each read by its reader. Raises Invalid."""
    return {name: read(value) for name, read in readers.items() if (value := getattr(part, name)) is not None}


def many(given: type[Part], read: Callable[[Any], dict[str, Any]], *, noun: str) -> tuple[Reader, Reader]:
    """Readers of an array of `given`: from JSON, and from a text that holds it. Both raise Invalid."""
    decode = msgspec.json.Decoder(list[given]).decode  # type: ignore[valid-type]

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
        return [read_one(place, part) for place, part in enumerate(parts)]

    def from_text(written: str) -> list[dict[str, Any]] | None:
        return from_json(written.encode("utf-8", "surrogateescape"))

    return from_json, from_text
