"""CSV and JSON Lines: text read line by line, from any byte of it onwards."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.records import CSV, MAX_LINE_BYTES, Layout, Record, read_object
from kernel.backfills.reading.files.unpacking import as_utf8, open_packed, skip_bytes, unpacked


class LinesFile:
    """An open text file. `offset` counts the bytes of its UTF-8 text, without a byte order mark."""

    def __init__(self, path: Path, *, format: str, layout: Layout) -> None:
        self.path, self.format, self.layout = path, format, layout
        self.packed: io.FileIO = open_packed(path)
        try:
            content = unpacked(path, self.packed)
            self.file = as_utf8(content, path=path, encoding=layout.encoding)
            # Where the text begins, behind a byte order mark, if the stream can go back.
            self.start = self.file.tell() if self.file.seekable() else None
            self.line = self.offset = 0
            for _ in range(layout.skip_lines):
                next(self._lines([]), "")
            self.header = self._read_header() if format == CSV else []
        except BaseException:
            self.packed.close()
            raise

    def records(self, *, offset: int, line: int) -> Iterator[Record]:
        if offset:
            self._go_to(offset)
            self.line = line
        yield from self._csv_records() if self.format == CSV else self._json_records()

    def close(self) -> None:
        self.file.close()
        self.packed.close()

    def _go_to(self, offset: int) -> None:
        if self.start is None:
            skip_bytes(self.file, offset - self.offset)
        else:
            self.file.seek(self.start + offset)
        self.offset = offset

    def _read_header(self) -> list[str]:
        if self.layout.columns:
            return list(self.layout.columns)
        try:
            header: list[str] = next(self._csv_reader([]), [])
        except csv.Error as error:
            raise BadSource(f"{self.path}: its first line is no CSV header: {error}.") from error
        names = [name.strip() for name in header]
        if not any(names):
            raise BadSource(f"{self.path} is empty: its first line must name the columns.")
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise BadSource(f"{self.path}: the header names {', '.join(map(repr, repeated))} more than once.")
        return names

    def _lines(self, raw_lines: list[bytes]) -> Iterator[str]:
        """Lines as text. Bytes that aren't UTF-8 become lone surrogates, which every column refuses."""
        readline = self.file.readline
        while line := readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise BadSource(f"{self.path}: line {self.line + 1} is longer than {MAX_LINE_BYTES} bytes.")
            self.line += 1
            self.offset += len(line)
            raw_lines.append(line)
            yield line.decode("utf-8", "surrogateescape")

    def _csv_reader(self, raw_lines: list[bytes]) -> Any:
        return csv.reader(self._lines(raw_lines), delimiter=self.layout.delimiter, strict=True)

    def _csv_records(self) -> Iterator[Record]:
        raw_lines: list[bytes] = []
        reader = self._csv_reader(raw_lines)
        while True:
            first = self.line + 1
            raw_lines.clear()
            fault, fields = "", None
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"no CSV record: {error}"
            if fields == []:
                continue
            raw = raw_lines[0] if len(raw_lines) == 1 else b"".join(raw_lines)
            yield Record(line=first, end_line=self.line, end=self.offset, raw=raw, fields=fields, fault=fault)

    def _json_records(self) -> Iterator[Record]:
        raw_lines: list[bytes] = []
        for _ in self._lines(raw_lines):
            raw = raw_lines.pop()
            if not raw.strip():
                continue
            fields, fault = read_object(raw)
            yield Record(line=self.line, end_line=self.line, end=self.offset, raw=raw, fields=fields, fault=fault)
