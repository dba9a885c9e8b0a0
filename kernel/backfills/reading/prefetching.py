"""Reads ahead: a child process reads, checks and encodes the next batch while the database works on the current one.

A process and not a thread, because reading a row takes more processor time than everything else in this process, and threads share one
core. The child is a fork, so it needs no set-up. It closes every file and socket but its own, the database connection among them, and it
ends when the pipe to this process closes.
"""

import gc
import os
import pickle
import signal
from collections.abc import Generator, Iterable
from itertools import islice, pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn

from kernel.backfills.errors import ReaderLost
from kernel.backfills.reading.rows import Row, RowReader
from kernel.backfills.reading.sources import Reading

STANDARD_STREAMS = 3
# Rows make no reference cycles, so collections after every few hundred objects find nothing and cost a tenth of the time.
COLLECT_AFTER = 50_000


def read_chunks(reading: Reading, reader: RowReader, *, size: int) -> Generator[list[Row]]:
    """The file's rows in lists of `size`, read by a child process. Its exceptions are raised here. Close the generator to end early.

    Raises ReaderLost if the child dies.
    """
    rows = (row for row in map(reader.read, reading) if not row.is_others)
    chunks = iter(lambda: list(islice(rows, size)), [])
    receiver, sender = Pipe(duplex=False)
    # Objects that exist now are exempt from collection: scanning all of Django after each batch would take as long as the batch.
    gc.freeze()
    try:
        process = os.fork()
    except OSError as error:
        raise ReaderLost(f"The process that reads the file could not be started: {error.strerror}.") from error
    if not process:
        _work(chunks, sender, keep={sender.fileno(), *([] if reading.packed is None else [reading.packed.fileno()])})
    sender.close()
    try:
        while chunk := _receive(receiver, process):
            yield chunk
    finally:
        receiver.close()
        # The child only reads, so killing it loses nothing.
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        gc.unfreeze()


def _receive(pipe: "Connection[object, object]", process: int) -> list[Row]:
    try:
        received = pickle.loads(pipe.recv_bytes())  # noqa: S301 - this process's own child wrote it
    except (EOFError, OSError):
        # OSError: the child died in the middle of a message.
        raise ReaderLost(f"The process that reads the file {_how_it_ended(process)}.") from None
    if isinstance(received, BaseException):
        raise received
    rows: list[Row] = received
    return rows


def _how_it_ended(process: int) -> str:
    # WNOWAIT leaves the child to be waited for by read_chunks.
    status = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    if status is None or status.si_code == os.CLD_EXITED:
        return "was ended"
    cause = ", perhaps because the machine ran out of memory" if status.si_status == signal.SIGKILL else ""
    return f"was ended by signal {status.si_status}{cause}"


def _work(chunks: Iterable[list[Row]], pipe: "Connection[object, object]", *, keep: set[int]) -> NoReturn:
    """The child's whole life: it sends the chunks and an empty list, or the exception that ended it."""
    try:
        _detach(keep)
        try:
            for chunk in chunks:
                pipe.send_bytes(pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL))
            pipe.send_bytes(pickle.dumps([]))
        except Exception as error:
            pipe.send_bytes(_pickled(error))
    finally:
        # Skips the parent's exit handlers, and everything above this call in the parent's stack.
        os._exit(0)


def _detach(keep: set[int]) -> None:
    """Ignore the terminal's signals, which reach the whole process group, and close every inherited file but `keep`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    limits = [STANDARD_STREAMS - 1, *sorted(keep), os.sysconf("SC_OPEN_MAX")]
    for low, high in pairwise(limits):
        os.closerange(low + 1, high)
    gc.set_threshold(COLLECT_AFTER, 50, 100)


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:
        return pickle.dumps(ReaderLost(f"The process that reads the file failed: {error!r}"))
