"""The file: found, hashed, and read record by record in constant memory, from any record onwards.

Every record has its first line and the byte at which the next record begins (in the unpacked file), so a resumed run starts there
without reading the records before it.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from django.conf import settings

from kernel.backfills.errors import BadSource, NotAllowed, NotWritable

CSV, JSON_LINES = "csv", "jsonl"
FORMATS = (CSV, JSON_LINES)
SUFFIXES = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
# Bytes. Bounds the memory for one line; a longer line is refused.
LONGEST_LINE = 4 * 1024 * 1024
GZIP_MARK = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class Record:
    """One record of the file. `fields`: a list of texts (CSV), a mapping to raw JSON (JSON Lines), or None if there is a `fault`."""

    line: int
    end_line: int
    end: int
    raw: bytes
    fields: Any
    fault: str = ""


@dataclass(frozen=True)
class Source:
    """A file on disk and how to read it."""

    path: Path
    format: str
    delimiter: str = ","

    def digest(self) -> str:
        """SHA-256 of the file's bytes on disk (compressed, if it is)."""
        try:
            with self.open() as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadSource(f"{self.path} can't be read: {error.strerror}.") from error

    def size(self) -> int:
        return self.path.stat().st_size

    def open(self) -> io.FileIO:
        """Open the file unbuffered, so that its position is the reader's progress. Raises BadSource."""
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise BadSource(f"{self.path}: {error.strerror}.") from error

    def columns(self) -> list[str]:
        """The header's names (CSV), or the names of the first record (JSON Lines)."""
        with Reading(self) as reading:
            if reading.header:
                return reading.header
            first = next(iter(reading), None)
            return list(first.fields) if first is not None and isinstance(first.fields, dict) else []


def find_source(path: str, *, format: str | None, delimiter: str) -> Source:
    """The named file. `-` is standard input, which is copied to var/backfills first. Raises BadSource, NotWritable."""
    if path == "-":
        return Source(path=spool(sys.stdin.buffer, format=format), format=str(format), delimiter=delimiter)
    found = Path(path).resolve()
    if not found.is_file():
        raise BadSource(f"{path}: no such file.")
    suffix = Path(found.name.removesuffix(".gz")).suffix
    chosen = format or SUFFIXES.get(suffix)
    if chosen is None:
        raise BadSource(f"{path}: add --format csv or --format jsonl (its name ends neither in .csv nor in .jsonl or .ndjson).")
    return Source(path=found, format=chosen, delimiter=delimiter)


def spool(stream: BinaryIO, *, format: str | None) -> Path:
    """Copy standard input to a file named by its hash: plan and apply both read it. Raises BadSource, NotWritable."""
    if format is None:
        raise BadSource("Standard input needs --format csv or --format jsonl.")
    folder = Path(settings.BASE_DIR) / "var" / "backfills"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            shutil.copyfileobj(stream, file, 1024 * 1024)
        copy = Path(file.name)
        with copy.open("rb") as written:
            name = hashlib.file_digest(written, "sha256").hexdigest()[:32]
        return copy.rename(folder / f"{name}.{format}")
    except OSError as error:
        raise NotWritable(f"Standard input is copied to {folder}, which can't be written: {error.strerror}.") from error


class Reading:
    """An open source. Iterate it for records. `bytes_read` is the position in the compressed file, for progress.

    `offset` and `line`: the end of the last record that was read before, to continue there.
    """

    def __init__(self, source: Source, *, offset: int = 0, line: int = 0) -> None:
        self.source = source
        self.packed = source.open()
        self.identity = _identity(self.packed)
        self.file = self._unpacked()
        self.line = line
        self.offset = 0
        self.header: list[str] = []
        with self._reports_damage():
            self._begin(offset)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()
        self.packed.close()

    def __iter__(self) -> Iterator[Record]:
        with self._reports_damage():
            yield from self._csv_records() if self.source.format == CSV else self._json_records()

    @property
    def bytes_read(self) -> int:
        # A GzipFile reads ahead in its own buffer, which is exact enough for progress. A closed file has been read to its end.
        with contextlib.suppress(ValueError):
            return self.packed.tell()
        return self.identity[1]

    def check_unchanged(self) -> None:
        """Check that the file is still the one that was opened. Raises NotAllowed if it was changed or replaced."""
        try:
            with self.source.open() as now:
                same = _identity(now) == self.identity
        except BadSource:
            same = False
        if not same:
            raise NotAllowed(f"{self.source.path} changed while it was being read. Plan again.")

    @contextlib.contextmanager
    def _reports_damage(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadSource(f"{self.source.path}: the compressed file is damaged or cut off after line {self.line}: {error}.") from error
        except OSError as error:
            raise BadSource(f"{self.source.path} can't be read after line {self.line}: {error.strerror}.") from error

    def _unpacked(self) -> io.BufferedReader:
        mark = self.packed.read(2)
        self.packed.seek(0)
        if mark in UTF16_MARKS:
            raise BadSource(f"{self.source.path} is UTF-16. Save it as UTF-8.")
        if mark == GZIP_MARK:
            return io.BufferedReader(gzip.GzipFile(fileobj=self.packed), 1024 * 1024)
        return io.BufferedReader(self.packed, 1024 * 1024)

    def _begin(self, offset: int) -> None:
        start = self.file.read(len(UTF8_MARK))
        self.offset = len(UTF8_MARK) if start == UTF8_MARK else 0
        self.file.seek(self.offset)
        if self.source.format == CSV:
            self.header = self._read_header()
        if offset:
            self.file.seek(offset)
            self.offset = offset

    def _read_header(self) -> list[str]:
        line, self.line = self.line, 0
        try:
            header: list[str] = next(self._csv_reader([]), [])
        except csv.Error as error:
            raise BadSource(f"{self.source.path}: its first line is no CSV header: {error}.") from error
        names = [name.strip() for name in header]
        if not any(names):
            raise BadSource(f"{self.source.path} is empty: its first line must name the columns.")
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise BadSource(f"{self.source.path}: the header names {', '.join(repeated)} more than once.")
        self.line = max(line, self.line)
        return names

    def _lines(self, kept: list[bytes]) -> Iterator[str]:
        """Lines as text. Bytes that aren't UTF-8 become lone surrogates, which every column refuses."""
        readline = self.file.readline
        while line := readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise BadSource(f"{self.source.path}: line {self.line + 1} is longer than {LONGEST_LINE} bytes.")
            self.line += 1
            self.offset += len(line)
            kept.append(line)
            yield line.decode("utf-8", "surrogateescape")

    def _csv_reader(self, kept: list[bytes]) -> Any:
        return csv.reader(self._lines(kept), delimiter=self.source.delimiter, strict=True)

    def _csv_records(self) -> Iterator[Record]:
        kept: list[bytes] = []
        reader = self._csv_reader(kept)
        while True:
            first = self.line + 1
            kept.clear()
            fault, fields = "", None
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"no CSV record: {error}"
            if fields == []:
                continue
            raw = kept[0] if len(kept) == 1 else b"".join(kept)
            yield Record(line=first, end_line=self.line, end=self.offset, raw=raw, fields=fields, fault=fault)

    def _json_records(self) -> Iterator[Record]:
        kept: list[bytes] = []
        for _ in self._lines(kept):
            raw = kept.pop()
            if not raw.strip():
                continue
            fields, fault = _json_object(raw)
            yield Record(line=self.line, end_line=self.line, end=self.offset, raw=raw, fields=fields, fault=fault)


def _json_object(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    try:
        fields = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"no JSON object: {error}"
    if repeated := repeated_names(raw, fields):
        return None, f"the object names {', '.join(repeated)} more than once"
    return fields, ""


def repeated_names(raw: bytes, fields: dict[str, Any] | None = None) -> list[str]:
    """Names that occur twice in a valid JSON object, without those of nested objects; `fields`: the object as it was decoded.

    Decoders keep the last value of such a name and drop the others without an error.
    """
    fields = _decoder.decode(raw) if fields is None else fields
    # Quotes, colon and comma of each member make four bytes, the braces two, and one comma is not there. Exports are written compactly,
    # so most records end here without being decoded a second time.
    compact = sum(len(name.encode("utf-8", "surrogatepass")) + len(value) + 4 for name, value in fields.items()) + 1
    if len(raw.strip()) == compact:
        return []
    names = [name for name, _ in json.loads(raw, object_pairs_hook=list)]
    return sorted({name for name in names if names.count(name) > 1})


def _identity(file: io.FileIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns
