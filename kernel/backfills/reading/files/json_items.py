"""JSON arrays and pages: the objects of a list inside of a JSON text of any size, each kept byte for byte."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.records import MAX_LINE_BYTES, Layout, Record, read_object
from kernel.backfills.reading.files.unpacking import as_utf8, open_packed, unpacked

CHUNK = 256 * 1024
SPACE = re.compile(rb"[ \t\r\n]*")
# A string, whole or cut off by the end of the buffer; or a bracket.
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+("?)|([{\[])|([}\]])', re.DOTALL)
SCALAR_END = re.compile(rb"[,\]} \t\r\n]")
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])


class Scanner:
    """Walks a JSON text from value to value. Holds a chunk of it, or the one value that is read."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path = stream, path
        self.buffer, self.place, self.line = b"", 0, 1
        self.is_over = False

    def peek(self) -> bytes:
        """The next byte that is no white space; empty at the end."""
        while True:
            space = SPACE.match(self.buffer, self.place)
            self._pass_to(space.end() if space else self.place)
            if self.place < len(self.buffer) or not self._fill():
                return self.buffer[self.place : self.place + 1]

    def expect(self, *expected: bytes) -> bytes:
        """Take the next byte, which must be one of these. Raises BadSource."""
        byte = self.peek()
        if byte not in expected:
            raise self.damage(f"{' or '.join(one.decode() for one in expected)} was expected")
        self.place += 1
        return byte

    def value(self, *, is_kept: bool) -> bytes:
        """Take the next value whole; without `is_kept` it is dropped piece by piece, however long. Raises BadSource."""
        first = self.peek()
        if not first:
            raise self.damage("a value was expected")
        end = self._end_of_nested(is_kept=is_kept) if first in b'{["' else self._end_of_scalar()
        if end == self.place:
            # A comma, colon or bracket that belongs to nothing. Taking nothing would go on for ever.
            raise self.damage("a value was expected")
        taken = self.buffer[self.place : end] if is_kept else b""
        self._pass_to(end)
        return taken

    def damage(self, why: str) -> BadSource:
        where = "the text ends" if not self.buffer[self.place :] else f"{self.buffer[self.place : self.place + 20]!r}"
        return BadSource(f"{self.path} is no whole JSON: {why} at line {self.line}, where {where}.")

    def _end_of_nested(self, *, is_kept: bool) -> int:
        depth, at = 0, self.place
        while True:
            token = TOKEN.search(self.buffer, at)
            is_cut = token is not None and token[1] == b"" and token[0][:1] == b'"'
            if token is None or is_cut:
                at = len(self.buffer) if token is None else token.start()
                at -= self._need_more(keep_from=self.place if is_kept else at)
                continue
            at = token.end()
            depth += (token[2] is not None) - (token[3] is not None)
            if depth == 0:
                return at

    def _end_of_scalar(self) -> int:
        while (token := SCALAR_END.search(self.buffer, self.place)) is None:
            if not self._fill():
                return len(self.buffer)
        return token.start()

    def _need_more(self, *, keep_from: int) -> int:
        """Read on; returns by how much places in the buffer moved. Raises BadSource where the text ends or the value is too long."""
        moved = self._pass_to(keep_from, is_dropped=True)
        if len(self.buffer) > MAX_LINE_BYTES:
            raise BadSource(f"{self.path}: the value at line {self.line} is longer than {MAX_LINE_BYTES} bytes.")
        if not self._fill():
            raise BadSource(f"{self.path} is no whole JSON: it ends within the value at line {self.line}.")
        return moved

    def _fill(self) -> bool:
        chunk = b"" if self.is_over else self.stream.read(CHUNK)
        self.is_over = not chunk
        if chunk:
            self._pass_to(self.place, is_dropped=True)
            self.buffer += chunk
        return bool(chunk)

    def _pass_to(self, place: int, *, is_dropped: bool = False) -> int:
        """Go on to a place, count its lines, and with `is_dropped` forget what is before it."""
        self.line += self.buffer.count(b"\n", self.place, place)
        self.place = place
        if not is_dropped:
            return 0
        self.buffer, self.place = self.buffer[place:], 0
        return place


class ItemsFile:
    """An open JSON text: an array of objects, objects one after another, or pages that hold them at the path `layout.items`."""

    header: list[str] = []

    def __init__(self, path: Path, *, layout: Layout) -> None:
        self.path, self.items = path, layout.items
        self.packed: io.FileIO = open_packed(path)
        try:
            self.file = as_utf8(unpacked(path, self.packed), path=path, encoding=layout.encoding)
        except BaseException:
            self.packed.close()
            raise
        self.scanner = Scanner(self.file, path)
        self.members: set[str] = set()
        self.has_items = False

    @property
    def line(self) -> int:
        return self.scanner.line

    def close(self) -> None:
        self.file.close()
        self.packed.close()

    def records(self, *, offset: int, line: int) -> Iterator[Record]:
        """`offset` is a number of records: a record inside of a page has no byte from which a reader could go on."""
        parts = ((first, *part) for first, raw, outer in self._objects() for part in self._split(raw, outer, self.items[1:]))
        for count, (first, fields, fault, written) in enumerate(parts, start=1):
            if count > offset:
                yield Record(line=first, end_line=self.scanner.line, end=count, raw=written, fields=fields, fault=fault)
        if self.items and not self.has_items:
            names = ", ".join(sorted(self.members)[:20]) or "no member at all"
            raise BadSource(f"{self.path}: no object has a list {self.items[0]!r}, as --items says. It has: {names}.")

    def _objects(self) -> Iterator[tuple[int, bytes, Mapping[str, Any]]]:
        """The first line, the bytes, and the members of the page around it."""
        if self.scanner.peek() not in (b"", b"[", b"{"):
            raise self.scanner.damage("an array or an object was expected")
        while byte := self.scanner.peek():
            if byte == b"[":
                yield from self._elements({}, is_pages=bool(self.items))
            elif self.items:
                yield from self._page()
            else:
                line = self.scanner.line
                yield line, self.scanner.value(is_kept=True), {}

    def _elements(self, outer: Mapping[str, Any], *, is_pages: bool = False) -> Iterator[tuple[int, bytes, Mapping[str, Any]]]:
        self.scanner.expect(b"[")
        if self.scanner.peek() == b"]":
            self.scanner.expect(b"]")
            return
        while True:
            if is_pages:
                yield from self._page()
            else:
                self.scanner.peek()
                line = self.scanner.line
                yield line, self.scanner.value(is_kept=True), outer
            if self.scanner.expect(b",", b"]") == b"]":
                return

    def _page(self) -> Iterator[tuple[int, bytes, Mapping[str, Any]]]:
        self.scanner.expect(b"{")
        if self.scanner.peek() == b"}":
            self.scanner.expect(b"}")
            return
        while True:
            if self.scanner.peek() != b'"':
                raise self.scanner.damage("a name was expected")
            name = _text(self.scanner.value(is_kept=True))
            self.scanner.expect(b":")
            if name == self.items[0] and self.scanner.peek() == b"[":
                self.has_items = True
                yield from self._elements({})
            else:
                self.members.add(name)
                self.scanner.value(is_kept=False)
            if self.scanner.expect(b",", b"}") == b"}":
                return

    def _split(self, raw: bytes, outer: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[Any, str, bytes]]:
        """The records of one object: itself, or those of the lists inside of it, each with the members around its list."""
        fields, fault = read_object(raw)
        if fields is None:
            yield None, fault, _one_line(raw)
        elif not path:
            # A member of the object itself goes before one of the page around it.
            written = _one_line(raw) if not outer else msgspec.json.encode({**outer, **fields})
            yield ({**outer, **fields} if outer else fields), "", written
        else:
            inner = fields.pop(path[0], None)
            around = {**outer, **{name: value for name, value in fields.items() if bytes(value)[:1] not in b"[{"}}
            for one in _list_of(inner):
                yield from self._split(bytes(one), around, path[1:])


def _list_of(raw: Any) -> list[Any]:
    try:
        return [] if raw is None else _list_decoder.decode(raw)
    except msgspec.DecodeError:
        return []


def _text(raw: bytes) -> str:
    try:
        return str(msgspec.json.decode(raw, type=str))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _one_line(raw: bytes) -> bytes:
    """The object without line breaks, which can only stand between its parts."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ")
