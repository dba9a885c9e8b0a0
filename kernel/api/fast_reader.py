"""The fast reader of a body: a msgspec struct compiled from the fields that the body declares, so that there is one definition of it.

What it reads equals what the slow path (`Body.walk`) reads. What it isn't certain of raises NeedsExactReader; the slow path then reads the
body, or says what is wrong. It may pass on more than necessary, never accept more than the slow path. msgspec doesn't check text that it
skips; `is_certain` does.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from kernel.api.fields import Boolean, Choice, Field, Text
from kernel.api.json import MAX_INTEGER_DIGITS, is_too_deep
from kernel.api.nested import Batch, ListOf, Nested
from kernel.api.problems import Invalid, Refused, RequestRefused
from kernel.api.shapes import BodyShape, DeclaredField

FAST_READER_ERRORS = (msgspec.MsgspecError, Refused, Invalid, RequestRefused, RecursionError, UnicodeError)
_DOUBTFUL_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_TOO_MANY_DIGITS = b"0" * MAX_INTEGER_DIGITS
_NULL = b"null"


class NeedsExactReader(Exception):
    """The slow path must read the body."""


def is_certain(raw: bytes) -> bool:
    """False where msgspec would accept what the slow path refuses: bad UTF-8, surrogates, NUL, deep nesting, very long integers."""
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            return False
    if b"\\u" in raw and _DOUBTFUL_ESCAPE.search(raw):
        return False
    if is_too_deep(raw):
        return False
    return len(raw) < MAX_INTEGER_DIGITS or _TOO_MANY_DIGITS not in raw.translate(_AS_ZEROS)


class FastReader:
    """The compiled reader of one body class. Raises TypeError, when the class is made, for a field that it can't read."""

    def __init__(self, body: BodyShape, *, name: str) -> None:
        self.body = body
        members = sorted(body.declared_fields, key=lambda member: not member.field.required)
        self.struct = msgspec.defstruct(
            name,
            [(member.name, _type_of(member.field), _declared(member, is_partial=body.is_partial)) for member in members],
            gc=False,
            # A member that isn't declared is named by the slow path, whether it is refused or ignored.
            forbid_unknown_fields=True,
        )
        # Only of fields whose decoded value may not be the value yet: one with a reader, or one that may be UNSET.
        self.steps = [
            (member.name, read, member.default)
            for member in members
            if (read := _reader_of(member.field)) is not None or _may_be_unset(member, is_partial=body.is_partial)
        ]
        self.decode = msgspec.json.Decoder(self.struct).decode

    def read(self, raw: bytes, *, is_part: bool = False) -> dict[str, Any]:
        """The values of a body. `is_part`: of a text that `is_certain` has taken. Raises NeedsExactReader."""
        if not is_part and not is_certain(raw):
            raise NeedsExactReader
        try:
            return self.values(self.decode(raw))
        except FAST_READER_ERRORS as error:
            raise NeedsExactReader from error

    def values(self, struct: Any) -> dict[str, Any]:
        """The values of a decoded struct, read by the fields' own methods. Raises what the fields raise."""
        values = asdict(struct)
        is_partial = self.body.is_partial
        for name, read, default in self.steps:
            value = values[name]
            if value is UNSET and is_partial:
                del values[name]
                continue
            if value is None or value is UNSET:
                values[name] = default
            elif read is not None:
                given = read(value)
                values[name] = default if given is None else given
        return self.body.check(values)


def _type_of(field: Any) -> Any:
    if not isinstance(field, Field) or field.validators:
        raise TypeError(f"{field!r} can't be read: use a field of kernel.api, without validators of its own.")
    if isinstance(field, Nested):
        wanted: Any = field.shape.fast.struct
    elif isinstance(field, ListOf) and not isinstance(field, Batch):
        wanted = list[_type_of(field.child)]  # type: ignore[misc]
    else:
        wanted = field.fast_type
    if wanted is None:
        raise TypeError(f"{type(field).__name__} says no fast_type, so it can't stand in a body.")
    # msgspec.Raw accepts a null like any value; _reader_of checks for it.
    return wanted | None if field.allow_null and wanted is not msgspec.Raw else wanted


def _declared(member: DeclaredField, *, is_partial: bool) -> Any:
    """The name of a member in JSON, and its default: UNSET, which `values` replaces, or None at once.

    Raw can't be joined with UNSET in a type; as a default value it is never checked.
    """
    if member.field.required:
        return msgspec.field(name=member.wire_name)
    return msgspec.field(name=member.wire_name, default=UNSET if _may_be_unset(member, is_partial=is_partial) else None)


def _may_be_unset(member: DeclaredField, *, is_partial: bool) -> bool:
    """Whether an absent field is UNSET when it is decoded. Else it is None, as a null is."""
    return is_partial or (not member.field.required and member.default is not None)


def _reader_of(field: Field) -> Callable[[Any], Any] | None:
    """Makes the value from what msgspec has decoded; None where that is the value."""
    if isinstance(field, Nested):
        return field.shape.fast.values
    if field.fast_type is msgspec.Raw:
        return _raw_reader(field)
    if isinstance(field, ListOf):
        return _list_reader(field)
    # Their types check everything, in a text that is certain, but for what makes a text a key. A subclass may check more.
    if type(field) is Text:
        return field.checked if field.is_key or field.pattern else None
    return None if type(field) in {Boolean, Choice} else field.parse


def _raw_reader(field: Field) -> Callable[[Any], Any]:
    def read(raw: Any) -> Any:
        text = bytes(raw)
        if text != _NULL:
            return field.parse_raw(text)
        if field.allow_null:
            return None
        raise Refused("null", expected=field.type_code)

    return read


def _list_reader(field: ListOf) -> Callable[[Any], Any]:
    read_item = _reader_of(field.child)

    def read(items: list[Any]) -> list[Any]:
        field.check_length(items)
        return items if read_item is None else [None if item is None else read_item(item) for item in items]

    return read
