"""The files of a run: found, hashed, and read record by record in constant memory, from any record onwards.

Every record says where the next one begins, so a resumed run starts there without posting the records before it.
"""

import contextlib
import glob
import gzip
import hashlib
import io
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from kernel.backfills.errors import BadSource, NotAllowed, NotWritable
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.files.json_items import ItemsFile
from kernel.backfills.reading.files.lines import LinesFile
from kernel.backfills.reading.files.parquet import ParquetFile
from kernel.backfills.reading.files.records import (
    CSV,
    FORMATS,
    JSON,
    JSON_LINES,
    OBJECTS,
    PARQUET,
    SUFFIXES,
    XLSX,
    Layout,
    PartFile,
    Record,
)
from kernel.backfills.reading.files.spreadsheets import SheetFile
from kernel.backfills.reading.files.unpacking import GZIP_MARK, UTF16_MARKS, ZIP_MARK, inner_name, open_packed
from kernel.backfills.reading.options import ReadingOptions

# A run's offset is the number of its file and the place in that file, in one number that a bigint holds.
PLACES = 1 << 48
# Bytes at the beginning of a file that say what it is.
CONTENT_MARK = 512
Identity = tuple[int, int, int]


@dataclass(frozen=True)
class Source:
    """The files of one run, in order, and how to read them. Several files have the same format and the same columns."""

    paths: tuple[Path, ...]
    format: str
    layout: Layout = field(default_factory=Layout)

    @property
    def names(self) -> str:
        """The paths as a run keeps them: one a line."""
        return "\n".join(map(str, self.paths))

    @property
    def title(self) -> str:
        """For messages."""
        return str(self.paths[0]) if len(self.paths) == 1 else f"{self.paths[0]} and {len(self.paths) - 1} more"

    @property
    def has_objects(self) -> bool:
        return self.format in OBJECTS

    @property
    def delimiter(self) -> str:
        return self.layout.delimiter if self.format == CSV else ","

    def place(self, part: int, line: int) -> str:
        """Where a record is, for messages: its line, and its file if there are several."""
        return f"line {line}" if len(self.paths) == 1 else f"line {line} of {self.paths[part].name}"

    def digest(self) -> str:
        """SHA-256 of the file's bytes on disk (compressed, if it is); of several files, of their digests in order."""
        digests = [_digest(path) for path in self.paths]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def open(self, part: int) -> PartFile:
        """Raises BadSource."""
        path = self.paths[part]
        if self.format == PARQUET:
            return ParquetFile(path, layout=self.layout)
        if self.format == XLSX:
            return SheetFile(path, layout=self.layout)
        if self.format == JSON:
            return ItemsFile(path, layout=self.layout)
        return LinesFile(path, format=self.format, layout=self.layout)

    def columns(self) -> list[str]:
        """The header's names, or the names of the first record."""
        with Reading(self) as reading:
            if not self.has_objects:
                return reading.header
            first = next(iter(reading), None)
            return list(first.fields) if first is not None and isinstance(first.fields, dict) else []


class Reading:
    """An open source. Iterate it for records. `offset` and `line`: the end of the last record that was read before, to continue there."""

    def __init__(self, source: Source, *, offset: int = 0, line: int = 0) -> None:
        self.source = source
        self.part, self.offset = divmod(offset, PLACES)
        self.line = line
        self.identities = [_identity(path) for path in source.paths]
        with self._reports_damage():
            self.file = source.open(self.part)
        self.header = self.file.header

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *args: object) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[Record]:
        with self._reports_damage():
            yield from self._records_of_part(self.offset, self.line)
            while self.part + 1 < len(self.source.paths):
                self.file.close()
                self.part += 1
                self.file = self.source.open(self.part)
                self._check_header()
                yield from self._records_of_part(0, 0)

    @property
    def packed(self) -> io.FileIO | None:
        """The open file on disk, for formats that are read through one."""
        return getattr(self.file, "packed", None)

    def bytes_read(self, part: int) -> int:
        """How many bytes on disk were read up to a record of this part, for progress. It reads ahead, but that is exact enough."""
        before = sum(size for _, size, _ in self.identities[:part])
        if part == self.part and self.packed is not None:
            # A closed file has been read to its end.
            with contextlib.suppress(ValueError):
                return before + self.packed.tell()
        return before

    def check_unchanged(self) -> None:
        """Check that the files are still those that were opened. Raises NotAllowed if one was changed or replaced."""
        for path, identity in zip(self.source.paths, self.identities, strict=True):
            try:
                same = _identity(path) == identity
            except BadSource:
                same = False
            if not same:
                raise NotAllowed(f"{path} changed while it was being read. Plan again.")

    def _records_of_part(self, offset: int, line: int) -> Iterator[Record]:
        first = self.part * PLACES
        for record in self.file.records(offset=offset, line=line):
            if self.part:
                record.part = self.part
                record.end += first
            yield record

    def _check_header(self) -> None:
        if self.file.header != self.header:
            raise BadSource(
                f"{self.source.paths[self.part]} has other columns than {self.source.paths[0]}: {', '.join(self.file.header)}."
                " Plan it as a run of its own."
            )

    @contextlib.contextmanager
    def _reports_damage(self) -> Iterator[None]:
        path = self.source.paths[self.part]
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise BadSource(f"{path}: the compressed file is damaged or cut off after line {self._line()}: {error}.") from error
        except OSError as error:
            raise BadSource(f"{path} can't be read after line {self._line()}: {error.strerror}.") from error

    def _line(self) -> int:
        return self.file.line if hasattr(self, "file") else 0


def find_source(paths: Sequence[str], *, format: str | None, layout: Layout | None = None) -> Source:
    """The named files; a pattern such as `2024-*.csv` is all files that fit it, sorted. `-` is standard input, which is copied to
    the folder of backfills first. Raises BadSource, NotWritable.
    """
    layout = layout or Layout()
    if list(paths) == ["-"]:
        return Source(paths=(copy_to_file(sys.stdin.buffer, format=format),), format=str(format), layout=layout)
    files = [file for path in paths for file in _matching(path)]
    if repeated := sorted({str(file) for file in files if files.count(file) > 1}):
        raise BadSource(f"{repeated[0]} is named more than once.")
    formats = {format or _format_of(file) for file in files}
    if len(formats) != 1:
        raise BadSource(f"The files have different formats: {', '.join(sorted(formats))}. Plan each format as a run of its own.")
    [chosen] = formats
    for file in files:
        _check_content(file, chosen)
    return Source(paths=tuple(files), format=chosen, layout=layout)


def described_source(run: BackfillRun) -> Source:
    """The files of a planned run as it describes them, without a look at the disk."""
    layout = ReadingOptions.from_json(run.options).layout
    return Source(paths=tuple(map(Path, run.source.split("\n"))), format=run.format, layout=layout)


def source_of(run: BackfillRun, *, paths: Sequence[str] | None = None) -> Source:
    """The files of a planned run; `paths` if they were moved. Raises BadSource."""
    layout = ReadingOptions.from_json(run.options).layout
    return find_source(paths or run.source.split("\n"), format=run.format, layout=layout)


def _matching(path: str) -> list[Path]:
    plain = Path(path).resolve()
    if plain.is_file() and "\n" not in path:
        return [plain]
    files = sorted(Path(file).resolve() for file in glob.glob(path) if Path(file).is_file()) if glob.has_magic(path) else []
    if not files:
        raise BadSource(f"{path}: no such file.")
    return files


def _format_of(path: Path) -> str:
    name = inner_name(path)
    found = SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise BadSource(f"{path}: add --format {' or '.join(FORMATS)}, which its name doesn't say.")
    if found in {PARQUET, XLSX} and name != path.name:
        raise BadSource(f"{path}: unpack it first: {found} is compressed in itself.")
    return found


def _check_content(path: Path, format: str) -> None:
    """Raises BadSource for a file whose first bytes say another format than its name. What is damaged, its reader says."""
    if format not in {CSV, JSON, JSON_LINES}:
        return
    with open_packed(path) as packed:
        mark = packed.read(CONTENT_MARK)
        packed.seek(0)
        is_book = mark.startswith(ZIP_MARK) and _is_workbook(packed)
    for is_other, noun, end in ((mark.startswith(b"PAR1"), "Parquet", PARQUET), (is_book, "a workbook", XLSX)):
        if is_other:
            raise BadSource(f"{path} is {noun} by its content: name it .{end}, or add --format {end}.")
    if b"\0" in mark and not mark.startswith((ZIP_MARK, GZIP_MARK, *UTF16_MARKS)) and b"\0\0" in mark:
        raise BadSource(f"{path} is not a text file. It may be CSV, JSON, JSON Lines, Parquet or XLSX, also in .gz, or alone in a .zip.")


def _is_workbook(packed: io.FileIO) -> bool:
    with contextlib.suppress(zipfile.BadZipFile):
        return "[Content_Types].xml" in zipfile.ZipFile(packed).namelist()
    return False


def copy_to_file(stream: BinaryIO, *, format: str | None) -> Path:
    """Copy standard input to a file named by its hash: plan and apply both read it. Raises BadSource, NotWritable."""
    if format is None:
        raise BadSource("Standard input needs --format csv or --format jsonl.")
    folder = Path(settings.BACKFILL_FOLDER)
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


def _digest(path: Path) -> str:
    try:
        with open_packed(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadSource(f"{path} can't be read: {error.strerror}.") from error


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise BadSource(f"{path}: {error.strerror}.") from error
    return status.st_ino, status.st_size, status.st_mtime_ns
