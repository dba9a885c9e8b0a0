"""Reading ahead: while the database works on one batch, a process of its own reads, checks and encodes the next. Two cores, one book.

A thread would share one core with the rest of us: what it does for a row takes longer than all that is left to do for it here. The process
is a fork, so it knows all that we know, except that it lets go of every file and socket but its own: no database, and nothing that would
outlive us. It waits for us in the pipe, and where we are gone it finds the pipe closed and goes too.
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
from kernel.backfills.rows import Row, RowReader
from kernel.backfills.sources import Reading

STANDARD_STREAMS = 3
# A collection for each few hundred new objects finds nothing among rows but costs a tenth of the time.
COLLECT_AFTER = 50_000


def read_chunks(reading: Reading, reader: RowReader, *, size: int) -> Generator[list[Row]]:
    """The file's rows in lists of `size`, read by a process of their own. What it raises is raised here. Close it where you end early."""
    rows = map(reader.read, reading)
    chunks = iter(lambda: list(islice(rows, size)), [])
    ours, theirs = Pipe(duplex=False)
    # What is there now stays: looking through all of Django for garbage after each batch would take as long as the batch.
    gc.freeze()
    process = os.fork()
    if not process:
        _work(chunks, theirs, keep={theirs.fileno(), reading.packed.fileno()})
    theirs.close()
    try:
        while chunk := _receive(ours):
            yield chunk
    finally:
        ours.close()
        # It holds nothing that could be lost.
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        gc.unfreeze()


def _receive(pipe: "Connection[object, object]") -> list[Row]:
    try:
        answer = pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own child wrote it
    except EOFError:
        raise ReaderLost("The process that reads the file was ended.") from None
    if isinstance(answer, BaseException):
        raise answer
    rows: list[Row] = answer
    return rows


def _work(chunks: Iterable[list[Row]], pipe: "Connection[object, object]", *, keep: set[int]) -> NoReturn:
    """The whole life of the reading process: an empty list after the last chunk, or what went wrong."""
    try:
        _settle(keep)
        try:
            for chunk in chunks:
                pipe.send_bytes(pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL))
            pipe.send_bytes(pickle.dumps([]))
        except OSError as error:
            # Where the pipe itself is gone this is in vain, and nobody is left to be told.
            pipe.send_bytes(_told(error))
        except Exception as error:
            pipe.send_bytes(_told(error))
    finally:
        # Never back into what the parent was doing, and none of its farewells.
        os._exit(0)


def _settle(keep: set[int]) -> None:
    # A person's Ctrl-C reaches the whole group: the parent decides where to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    places = [STANDARD_STREAMS - 1, *sorted(keep), os.sysconf("SC_OPEN_MAX")]
    for low, high in pairwise(places):
        os.closerange(low + 1, high)
    gc.set_threshold(COLLECT_AFTER, 50, 100)


def _told(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:
        return pickle.dumps(ReaderLost(f"The process that reads the file failed: {error!r}"))
