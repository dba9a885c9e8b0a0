"""Files and standard output that a command writes: checked before the work, and reported in one sentence when they fail."""

import os
import sys
import tempfile
from pathlib import Path

from kernel.backfills.errors import NotWritable


def check_writable(path: Path, *, option: str, create_folder: bool = False) -> None:
    """Check that a file can be written at `path`. Raises NotWritable; `option` is the argument that names another file."""
    try:
        if create_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise NotWritable(f"{path} can't be written: {error.strerror}. Name another file with {option}.") from error


def discard_stdout() -> None:
    """Send standard output to the null device. After a broken pipe, Python's last flush at exit would print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
