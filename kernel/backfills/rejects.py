"""Refused rows as a file that can be corrected and imported again: each row unchanged, with its line and the reasons in added columns.

Every backfill ignores columns whose names begin with an underscore, so the file can be imported as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from django.conf import settings

from kernel.backfills.adapters import ALREADY_THERE, SKIPPED, Outcome
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.files.records import CSV, JSON_LINES, csv_line
from kernel.backfills.reading.rows import Row
from kernel.backfills.reading.sources import Source, described_source
from kernel.backfills.selectors import stream_rejects

LINE, WHY = "_line", "_why"
INVALID = "invalid"


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

    def add(self, *, line: int, raw: bytes, why: str, readable: bool, part: int = 0) -> None:
        if self.file is None:
            self.file = self._begin()
        self.file.write(reject_line(self.source, line=line, raw=raw, why=why, readable=readable, part=part))
        self.count += 1

    def _begin(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("wb")
        file.write(header_line(self.source, self.header))
        return file


def header_line(source: Source, header: Sequence[str]) -> bytes:
    """The first line of a file of rejects; JSON Lines have none."""
    if source.has_objects:
        return b""
    # The source may itself be a rejects file, which has these columns; a header may not name a column twice.
    names = [f"_{name}" if name.startswith("_") else name for name in header]
    return csv_line([*names, LINE, WHY], source.delimiter) + b"\n"


def reject_line(source: Source, *, line: int, raw: bytes, why: str, readable: bool, part: int = 0) -> bytes:
    """A refused row with its place and the reasons."""
    record = raw.rstrip(b"\r\n")
    where = line if len(source.paths) == 1 else f"{source.paths[part].name}:{line}"
    if readable and not source.has_objects:
        record += source.delimiter.encode() + csv_line([str(where), why], source.delimiter)
    elif readable:
        record = _with_reasons(record, line=where, why=why)
    return record + b"\n"


def stream_file(run: BackfillRun) -> Iterator[bytes]:
    """The run's file of rejects, made of the database alone: the run's own file may be elsewhere, or gone."""
    source = described_source(run)
    yield header_line(source, run.plan["columns"])
    for reject in stream_rejects(run=run):
        readable = reject.code != "unreadable"
        yield reject_line(source, part=reject.part, line=reject.line, raw=bytes(reject.record), why=reject.why, readable=readable)


def file_name(run: BackfillRun) -> str:
    return f"{run.id}.rejects.{_suffix(described_source(run))}"


def write_rejects(*, run: BackfillRun, source: Source, path: Path) -> int:
    """Write all of a run's rejects from the database, where a kill can't lose or repeat one. Returns their number."""
    unfinished = path.with_name(f"{path.name}.part")
    with RejectWriter(unfinished, source=source, header=source.columns()) as writer:
        for reject in stream_rejects(run=run):
            writer.add(
                part=reject.part,
                line=reject.line,
                raw=bytes(reject.record),
                why=reject.why,
                readable=reject.code != "unreadable",
            )
    if writer.count:
        unfinished.replace(path)
    return writer.count


def default_path(run_id: object, source: Source) -> Path:
    return Path(settings.BACKFILL_FOLDER) / f"{run_id}.rejects.{_suffix(source)}"


def option_of(named: Path | None) -> str:
    """What names another place for the refused rows, for a message; `named`: the file that the command line names."""
    return "--rejects FILE" if named else "--rejects FILE, or another folder with BACKFILL_FOLDER"


def _suffix(source: Source) -> str:
    return JSON_LINES if source.has_objects else CSV


def join_problems(problems: Iterable[object]) -> str:
    return "; ".join(str(problem) for problem in problems)


def outcome_without_posting(row: Row) -> Outcome:
    """The outcome of a row that makes no posting."""
    if row.is_known:
        return Outcome(ALREADY_THERE)
    return Outcome(SKIPPED) if row.is_skipped else Outcome(INVALID, join_problems(row.problems))


def _with_reasons(record: bytes, *, line: int | str, why: str) -> bytes:
    """Insert the reasons before the object's last brace, so that the row's own bytes stay unchanged."""
    added = msgspec.json.encode({LINE: line, WHY: why})[1:]
    body = record.rstrip()[:-1].rstrip()
    return body + (b"" if body.endswith(b"{") else b",") + added
