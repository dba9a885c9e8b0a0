"""Refused rows as a file that can be corrected and imported again: each row unchanged, with its line and the reasons in added columns.

Every backfill ignores columns whose names begin with an underscore, so the file can be imported as it is.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec
from django.conf import settings

from kernel.backfills.models import BackfillRun
from kernel.backfills.selectors import stream_rejects
from kernel.backfills.sources import CSV, Source

LINE, WHY = "_line", "_why"


class RejectWriter:
    """Writes refused rows with their original bytes. The file is created with the first of them."""

    def __init__(self, path: Path, *, source: Source, header: list[str]) -> None:
        self.path = path
        self.source = source
        self.header = header
        self.file: BinaryIO | None = None
        self.count = 0

    def __enter__(self) -> "RejectWriter":
        return self

    def __exit__(self, *args: object) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, *, line: int, raw: bytes, why: str, readable: bool) -> None:
        if self.file is None:
            self.file = self._begin()
        record = raw.rstrip(b"\r\n")
        if readable and self.source.format == CSV:
            record += self.source.delimiter.encode() + self._cells([str(line), why])
        elif readable:
            record = _with_reasons(record, line=line, why=why)
        self.file.write(record + b"\n")
        self.count += 1

    def _begin(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("wb")
        if self.source.format == CSV:
            # The source may itself be a rejects file, which has these columns; a header may not name a column twice.
            names = [f"_{name}" if name.startswith("_") else name for name in self.header]
            file.write(self._cells([*names, LINE, WHY]) + b"\n")
        return file

    def _cells(self, values: list[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self.source.delimiter, lineterminator="").writerow(values)
        return text.getvalue().encode("utf-8", "surrogateescape")


def write_rejects(*, run: BackfillRun, source: Source, path: Path) -> int:
    """Write all of a run's rejects from the database, where a kill can't lose or repeat one. Returns their number."""
    unfinished = path.with_name(f"{path.name}.part")
    with RejectWriter(unfinished, source=source, header=source.columns()) as writer:
        for reject in stream_rejects(run=run):
            writer.add(line=reject.line, raw=bytes(reject.record), why=reject.why, readable=reject.code != "unreadable")
    if writer.count:
        unfinished.replace(path)
    return writer.count


def default_path(run_id: object, source: Source) -> Path:
    return Path(settings.BASE_DIR) / "var" / "backfills" / f"{run_id}.rejects.{source.format}"


def join_problems(problems: Iterable[object]) -> str:
    return "; ".join(str(problem) for problem in problems)


def _with_reasons(record: bytes, *, line: int, why: str) -> bytes:
    """Insert the reasons before the object's last brace, so that the row's own bytes stay unchanged."""
    added = msgspec.json.encode({LINE: line, WHY: why})[1:]
    body = record.rstrip()[:-1].rstrip()
    return body + (b"" if body.endswith(b"{") else b",") + added
