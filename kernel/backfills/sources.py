"""The file: found, hashed, and read record by record in constant memory, from any record onwards.

Every record knows the line it begins at and the byte at which the next one begins (of the unpacked file), so that a run goes on where it
stopped without reading what it has done.
"""

import contextlib
import csv
import gzip
import hashlib
import io
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

from kernel.backfills.errors import BadSource, NotAllowed

CSV, JSON_LINES = "csv", "jsonl"
FORMATS = (CSV, JSON_LINES)
SUFFIXES = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
# One line of a file is never held beyond this (bytes); a longer one is no record of ours.
LONGEST_LINE = 4 * 1024 * 1024
GZIP_MARK = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(slots=True)
class Record:
    """One record as it stands in the file. `fields` is a list of texts (CSV), a mapping to raw JSON (JSON Lines), or None with `fault`."""

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
        """SHA-256 of the file's bytes as they lie on the disk."""
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def size(self) -> int:
        return self.path.stat().st_size

    def open(self) -> io.FileIO:
        """Unbuffered, so that its position tells how far a reader has come. Raises BadSource."""
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise BadSource(f"{self.path}: {error.strerror}.") from error

    def columns(self) -> list[str]:
        """The header's names (CSV), or those of the first record (JSON Lines), whose later records may have others."""
        with Reading(self) as reading:
            if reading.header:
                return reading.header
            first = next(iter(reading), None)
            return list(first.fields) if first is not None and isinstance(first.fields, dict) else []


def find_source(path: str, *, format: str | None, delimiter: str) -> Source:
    """The file that was named; `-` is standard input, which is first spooled to var/backfills. Raises BadSource."""
    if path == "-":
        return Source(path=spool(sys.stdin.buffer, format=format), format=str(format), delimiter=delimiter)
    found = Path(path).resolve()
    if not found.is_file():
        raise BadSource(f"{path}: no such file.")
    suffix = Path(found.name.removesuffix(".gz")).suffix
    chosen = format or SUFFIXES.get(suffix)
    if chosen is None:
        raise BadSource(f"{path}: say what it is with --format csv or --format jsonl (the name ends neither in .csv, .jsonl nor .ndjson).")
    return Source(path=found, format=chosen, delimiter=delimiter)


def spool(stream: BinaryIO, *, format: str | None) -> Path:
    """Standard input can be read once, a plan and its application read twice: keep it under its own hash. Raises BadSource."""
    if format is None:
        raise BadSource("Standard input needs --format csv or --format jsonl.")
    folder = Path(settings.BASE_DIR) / "var" / "backfills"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        shutil.copyfileobj(stream, file, 1024 * 1024)
    kept = Path(file.name)
    with kept.open("rb") as written:
        name = hashlib.file_digest(written, "sha256").hexdigest()[:32]
    return kept.rename(folder / f"{name}.{format}")


class Reading:
    """An open source. Iterate it for records; `bytes_read` is the place in the packed file, for a progress bar."""

    def __init__(self, source: Source, *, offset: int = 0, line: int = 0) -> None:
        self.source = source
        self.packed = source.open()
        self.identity = _identity(self.packed)
        self.file = self._unpacked()
        self.line = line
        self.offset = 0
        self.header: list[str] = []
        with self._damage_told():
            self._begin(offset)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()
        self.packed.close()

    def __iter__(self) -> Iterator[Record]:
        with self._damage_told():
            yield from self._csv_records() if self.source.format == CSV else self._json_records()

    @property
    def bytes_read(self) -> int:
        # A GzipFile reads ahead in its own buffer: near enough for a bar. A closed file is read to its end.
        with contextlib.suppress(ValueError):
            return self.packed.tell()
        return self.identity[1]

    def check_unchanged(self) -> None:
        """Raises NotAllowed if somebody wrote to the file, or put another in its place, since it was opened."""
        try:
            with self.source.open() as now:
                same = _identity(now) == self.identity
        except BadSource:
            same = False
        if not same:
            raise NotAllowed(f"{self.source.path} changed while it was being read. Plan again.")

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadSource(f"{self.source.path}: the compressed file is damaged or cut off after line {self.line}: {error}.") from error

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
        """Lines as text, counted; what isn't UTF-8 becomes lone surrogates, which no column accepts."""
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
        return _decoder.decode(raw), ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"no JSON object: {error}"


def _identity(file: io.FileIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns
