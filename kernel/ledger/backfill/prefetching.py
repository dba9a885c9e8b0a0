"""Reading ahead: while the database works on one batch, a thread reads and checks the next. Two cores, one book."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from kernel.ledger.backfill.rows import Row, RowReader
from kernel.ledger.backfill.sources import Reading

# Batches held ready: enough that neither side waits, few enough that memory stays flat.
AHEAD = 2


def read_chunks(reading: Reading, reader: RowReader, *, size: int) -> Iterator[list[Row]]:
    """The file's rows in lists of `size`, read by a thread of their own. What the thread raises is raised here."""
    rows = map(reader.read, reading)
    return _ahead(iter(lambda: list(islice(rows, size)), []))


def _ahead(chunks: Iterable[list[Row]]) -> Iterator[list[Row]]:
    ready: queue.Queue[Callable[[], Any]] = queue.Queue(maxsize=AHEAD)
    stopped = threading.Event()

    def offer(answer: Callable[[], Any]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(answer, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for chunk in chunks:
                if not offer(partial(_same, chunk)):
                    return
        except BaseException as error:
            offer(_raiser(error))
        else:
            offer(_raiser(StopIteration()))

    thread = threading.Thread(target=work, name="backfill-reader", daemon=True)
    thread.start()
    try:
        while True:
            try:
                chunk = ready.get()()
            except StopIteration:
                return
            yield chunk
    finally:
        stopped.set()
        thread.join()


def _same(chunk: list[Row]) -> list[Row]:
    return chunk


def _raiser(error: BaseException) -> Callable[[], Any]:
    def raise_it() -> Any:
        raise error

    return raise_it
