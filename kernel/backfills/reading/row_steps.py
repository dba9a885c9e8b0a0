"""What a row needs beyond reading each of its columns: skipped rows, signs and keys from other columns, members of JSON objects."""

import fnmatch
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Column, Invalid, quoted
from kernel.backfills.reading.files.records import TypedText

# The text of a row under the file's own name of a column; None if the row has none.
TextOf = Callable[[str], str | None]
# The line of the record as a part of a key: for files whose rows have nothing else that tells them apart.
LINE = "_line"
MINUS = frozenset({"-", "d", "dr", "debit", "dbit", "s", "soll", "out", "outbound", "outgoing", "outflow", "withdrawal"})
PLUS = frozenset({"+", "c", "cr", "credit", "crdt", "h", "haben", "in", "inbound", "incoming", "inflow", "deposit"})
# A number that JSON writes as it stands in the file. Others, such as 007, are texts.
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,18})?", re.ASCII)
MAX_KEY_LENGTH = 200


class JsonScalar(TypedText):
    """The raw text of a JSON value that is no string."""

    __slots__ = ()


class Step(Protocol):
    """Changes the values of a row by other columns of the file. Raises RowRefused."""

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None: ...


@dataclass(frozen=True)
class SkipRule:
    """--skip-rows-where: rows whose column holds this text, in which * stands for any characters."""

    column: str
    pattern: str

    def matches(self, text_of: TextOf) -> bool:
        return fnmatch.fnmatchcase((text_of(self.column) or "").strip(), self.pattern)


@dataclass(frozen=True)
class Negated:
    """--map THEIRS=-OURS: a column of amounts that go the other way. A row has its amount in one of the two columns."""

    theirs: str
    column: Column

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        written = text_of(self.theirs)
        if not written:
            return
        try:
            amount = self.column.read(written)
        except Invalid as invalid:
            raise RowRefused(self.theirs, str(invalid)) from invalid
        if amount and values.get(self.column.name):
            raise RowRefused(self.theirs, f"has an amount where another column of {self.column.name} has one too")
        if amount or self.column.name not in values:
            values[self.column.name] = -amount


@dataclass(frozen=True)
class Member:
    """--map THEIRS=OURS.NAME: a column of the file as a member of a JSON object of ours."""

    theirs: str
    column: str
    name: str

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        written = text_of(self.theirs)
        if not written:
            return
        held = values.get(self.column)
        try:
            members = msgspec.json.decode(held, type=dict[str, msgspec.Raw]) if held else {}
        except msgspec.DecodeError as error:
            raise RowRefused(self.theirs, f"can't be added to {self.column}: {error}") from error
        if self.name in members:
            raise RowRefused(self.theirs, f"is in {self.column} already")
        is_number = _NUMBER.fullmatch(written)
        encoded = written if is_number or _is_json(written) else json.dumps(written, ensure_ascii=False)
        try:
            members[self.name] = msgspec.Raw(encoded.encode())
        except UnicodeEncodeError as error:
            raise RowRefused(self.theirs, "is not valid UTF-8") from error
        if "\\u0000" in encoded or "\x00" in written:
            raise RowRefused(self.theirs, "holds a NUL character")
        values[self.column] = msgspec.json.encode(members).decode()


@dataclass(frozen=True)
class SignFrom:
    """--sign-from: another column says whether the amount is above or below zero."""

    theirs: str
    amount: str
    minus: frozenset[str]
    plus: frozenset[str]

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        if self.amount not in values:
            return
        written = (text_of(self.theirs) or "").strip()
        sign = written.casefold()
        if sign not in self.minus and sign not in self.plus:
            raise RowRefused(self.theirs, f"gives no sign: {quoted(written)}. Name it: --sign-from '{self.theirs}:MINUS,MINUS=PLUS,PLUS'")
        values[self.amount] = -abs(values[self.amount]) if sign in self.minus else abs(values[self.amount])


@dataclass(frozen=True)
class TypeFromSign:
    """--type-from-sign: amounts above zero are of one type, those below zero of the other; the ledger gets magnitudes."""

    amount: str
    plus: str
    minus: str

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        amount: Decimal | None = values.get(self.amount)
        if amount is not None:
            values["type"] = self.minus if amount < 0 else self.plus
            values[self.amount] = abs(amount)


@dataclass(frozen=True)
class Effects:
    """--signs effect: amounts are signed as they move the balance. The ledger wants magnitudes where the type has a direction.

    `is_original_type`: a reversal has the type of what it takes back, so it moves the balance against its type.
    """

    amount: str
    directions: Mapping[str, str]
    is_original_type: bool

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        amount: Decimal | None = values.get(self.amount)
        direction = self.directions.get(values.get("type", "")) or values.get("direction")
        if amount is None or direction not in {"debit", "credit"}:
            return
        is_down = (direction == "debit") != (self.is_original_type and values.get("reverses") is not None)
        magnitude = -amount if is_down else amount
        if magnitude < 0:
            way = "down" if amount < 0 else "up"
            raise RowRefused(self.amount, f"moves the balance {way} by {abs(amount):f}, and type {quoted(values['type'])} is a {direction}")
        values[self.amount] = magnitude


@dataclass(frozen=True)
class Absolute:
    """--signs absolute: the type says the direction, and the sign of an amount means nothing."""

    amount: str

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        if self.amount in values:
            values[self.amount] = abs(values[self.amount])


@dataclass(frozen=True)
class Checked:
    """The ledger's own reader of amounts, for a column that was read with a sign."""

    column: Column

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        if self.column.name in values:
            try:
                self.column.read(f"{values[self.column.name]:f}")
            except Invalid as invalid:
                raise RowRefused(self.column.name, str(invalid)) from invalid


@dataclass(frozen=True)
class KeyFrom:
    """--key-from: the key is made of several columns; a part that begins with = stands for itself."""

    column: Column
    parts: Sequence[str]

    def __call__(self, values: dict[str, Any], text_of: TextOf) -> None:
        texts = [part[1:] if part.startswith("=") else (text_of(part) or "").strip() for part in self.parts]
        if not any(text for text, part in zip(texts, self.parts, strict=True) if not part.startswith("=")):
            raise RowRefused(self.column.name, f"has nothing to be made of: {', '.join(self.parts)} are empty")
        key = "/".join(text.replace("%", "%25").replace("/", "%2F") for text in texts)
        if len(key) > MAX_KEY_LENGTH:
            key = f"{key[:100]}~{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"
        try:
            values[self.column.name] = self.column.read(key)
        except Invalid as invalid:
            raise RowRefused(self.column.name, str(invalid)) from invalid


def _is_json(written: str) -> bool:
    """Whether a text is a JSON object or list, or a value that JSON itself wrote."""
    if isinstance(written, JsonScalar):
        return True
    if written[:1] not in "{[":
        return False
    try:
        msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    return True
