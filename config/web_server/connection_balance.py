"""How many connections each process of a web server has open, in memory that all of them read: so new ones are spread. No limit.

A process writes its own cell only. Its cell is the first whose byte of the file it can lock, so a new process takes over the cell of one
that was killed.
"""

import contextlib
import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator

# The path of the file, for the processes that the server starts.
ENVIRONMENT_VARIABLE = "CONNECTION_COUNTS_FILE"
# In the cell of nobody, and of a process that accepts no more.
NOT_ACCEPTING = 2**31 - 1
CELL_BYTES = 4


@contextlib.contextmanager
def shared_counts(processes: int) -> Iterator[None]:
    """Makes the file for processes that are started within the context; twice as many cells, for a restart of one after another."""
    with tempfile.NamedTemporaryFile(prefix="connections-") as file:
        file.write(NOT_ACCEPTING.to_bytes(CELL_BYTES, "little") * processes * 2)
        file.flush()
        os.environ[ENVIRONMENT_VARIABLE] = file.name
        try:
            yield
        finally:
            del os.environ[ENVIRONMENT_VARIABLE]


class ConnectionCounts:
    """The counts of all processes, of which this one writes one."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "r+b")  # noqa: SIM115 - its lock is this process's claim, for as long as it lives
        self._cells = memoryview(mmap.mmap(self._file.fileno(), 0)).cast("i")
        self._own = self._claim()

    def _claim(self) -> int:
        for cell in range(len(self._cells)):
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, cell * CELL_BYTES)
                return cell
        raise RuntimeError("more processes than cells: a server's processes are restarted one after another")

    def set(self, count: int) -> None:
        self._cells[self._own] = count

    def is_lowest(self) -> bool:
        """Whether no process has fewer connections than this one."""
        return self._cells[self._own] <= min(self._cells)
