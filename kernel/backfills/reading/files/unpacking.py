"""Opens a file as a stream of UTF-8 bytes: plain, .gz or .zip with one file in it, in any of the known encodings."""

import codecs
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

from kernel.backfills.errors import BadSource

GZIP_MARK, ZIP_MARK = b"\x1f\x8b", b"PK\x03\x04"
# The marks of a zip without members, and of one whose first part is missing.
OTHER_ZIP_MARKS = (b"PK\x05\x06", b"PK\x07\x08")
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "windows-1252")
CHUNK = 64 * 1024
BUFFER = 1024 * 1024
ENCRYPTED = 1


def open_packed(path: Path) -> io.FileIO:
    """Open a file unbuffered, so that its position is the reader's progress. Raises BadSource."""
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise BadSource(f"{path}: {error.strerror}.") from error


def inner_name(path: Path) -> str:
    """The file's name without its compression: of a zip, the name of the file in it. Raises BadSource."""
    if path.suffix == ".gz":
        return path.name.removesuffix(".gz")
    if path.suffix == ".zip":
        with open_packed(path) as packed:
            return _only_member(path, packed)[1].filename
    return path.name


def unpacked(path: Path, packed: io.FileIO) -> io.BufferedReader:
    """The content of an open file: seekable, and unpacked on the way. Raises BadSource."""
    mark = packed.read(len(ZIP_MARK))
    packed.seek(0)
    if mark.startswith(GZIP_MARK):
        return io.BufferedReader(gzip.GzipFile(fileobj=packed), BUFFER)
    if mark == ZIP_MARK or mark in OTHER_ZIP_MARKS:
        archive, member = _only_member(path, packed)
        try:
            return io.BufferedReader(archive.open(member), BUFFER)  # type: ignore[arg-type] # It has readinto, though IO does not say so.
        except (NotImplementedError, RuntimeError) as error:
            raise BadSource(f"{path}: this kind of zip can't be read ({error}). Unpack it and plan the file in it.") from error
    return io.BufferedReader(packed, BUFFER)


def _only_member(path: Path, packed: io.FileIO) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
    try:
        archive = zipfile.ZipFile(packed)
    except zipfile.BadZipFile as error:
        raise BadSource(f"{path}: the zip is damaged or cut off: {error}.") from error
    members = [member for member in archive.infolist() if not member.is_dir() and not member.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5])
        raise BadSource(
            f"{path} holds {len(members)} files{f' ({names})' if names else ''} where it may hold one. Unpack it and name them."
        )
    if members[0].flag_bits & ENCRYPTED:
        raise BadSource(f"{path} has a password. Unpack it and plan the file in it.")
    return archive, members[0]


def as_utf8(stream: io.BufferedReader, *, path: Path, encoding: str) -> io.BufferedReader:
    """The stream as UTF-8 without a byte order mark. UTF-16 is recognised by its mark; other encodings must be named. Raises BadSource."""
    mark = stream.read(len(UTF8_MARK))
    of_mark = UTF16_MARKS.get(mark[:2], "")
    if encoding == "utf-16" and not of_mark:
        raise BadSource(f"{path} has no byte order mark: name --encoding utf-16-le or utf-16-be.")
    chosen = of_mark if encoding in {"", "utf-16"} else encoding
    if chosen in {"", "utf-8"}:
        start = len(UTF8_MARK) if mark == UTF8_MARK else 0
        stream.seek(start)
        return stream
    stream.seek(len(mark[:2]) if of_mark == chosen else 0)
    return io.BufferedReader(_Transcoded(stream, path=path, encoding=chosen), BUFFER)


class _Transcoded(io.RawIOBase):
    """A text in another encoding as UTF-8. Only reads forward."""

    def __init__(self, stream: Any, *, path: Path, encoding: str) -> None:
        self.stream, self.path, self.encoding = stream, path, encoding
        # A lone surrogate of UTF-16 goes on to the row that has it, which every column refuses.
        self.decoder = codecs.getincrementaldecoder(encoding)("surrogatepass" if encoding.startswith("utf-16") else "strict")
        self.waiting = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.waiting:
            chunk = self.stream.read(CHUNK)
            try:
                text = self.decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                raise BadSource(f"{self.path} is not {self.encoding}, or is cut off: {error.reason}.") from error
            self.waiting = memoryview(text.encode("utf-8", "surrogatepass"))
            if not chunk:
                break
        size = min(len(buffer), len(self.waiting))
        buffer[:size] = self.waiting[:size]
        self.waiting = self.waiting[size:]
        return size

    def close(self) -> None:
        self.stream.close()
        super().close()


def skip_bytes(stream: Any, count: int) -> None:
    """Read `count` bytes and drop them, for streams that can't seek."""
    while count > 0 and (piece := stream.read(min(count, BUFFER))):
        count -= len(piece)
