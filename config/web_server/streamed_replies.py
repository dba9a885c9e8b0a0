"""Replies that are produced while they are sent: statements, exports, large files.

A thread makes the pieces, and holds a database connection meanwhile. It is never the thread of another call, it waits for a slow caller no
longer than STALLED_SECONDS, and one caller gets few of them: a caller who doesn't read delays only their own calls, and these wait no
longer than TURN_SECONDS before they are refused.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakValueDictionary

from config.web_server.asgi_types import CallerGone, Receive, Send, StreamedReply

# Pieces are gathered to at least this size (bytes): passing one from a thread to the loop costs the same whatever its size.
MIN_PIECE_BYTES = 65_536
# Pieces that may be made before the caller has taken the first of them.
PIECES_AHEAD = 8
# A caller who takes no piece for so long is disconnected. More than the server's own limit (http_protocol.SEND_SECONDS), which comes first.
STALLED_SECONDS = 15.0
# Streams that wait for a thread: of all callers, and of one. Further ones are refused.
MAX_WAITING_STREAMS = 200
MAX_WAITING_STREAMS_OF_CALLER = 8
# A stream that has waited so long for the caller's earlier ones is refused.
TURN_SECONDS = 5.0


class TooManyStreams(Exception):
    """No thread is free for the reply, of which nothing was sent. `is_own`: because of the caller's own streams."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class _NotBegun(TooManyStreams):
    """No turn, or the caller has left."""


class _Turns:
    """The streams of one caller: a turn for each thread that the caller may use, and how many wait for one."""

    def __init__(self, threads: int) -> None:
        self.free = asyncio.Semaphore(threads)
        self.waiting = 0


class Streams:
    """The threads that make the replies of one process, half of them for one caller at most; further streams of that caller wait."""

    def __init__(self, *, threads: int) -> None:
        self.threads_per_caller = max(1, threads // 2)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="stream")
        self._turns: WeakValueDictionary[str, _Turns] = WeakValueDictionary()
        self._waiting = 0

    async def send_reply(self, reply: StreamedReply, *, caller: str, receive: Receive, send: Send) -> None:
        """Send the reply as fast as the caller reads. Raises CallerGone, TooManyStreams."""
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            async with self._turn(caller, gone):
                await self._send_pieces(_Producer(reply.response), reply, gone, send)
        except _NotBegun as error:
            await _close(reply)
            raise (CallerGone if gone.done() else TooManyStreams(is_own=error.is_own)) from error
        finally:
            gone.cancel()

    @contextlib.asynccontextmanager
    async def _turn(self, caller: str, gone: "asyncio.Future[None]") -> AsyncIterator[None]:
        """Wait until a thread may make the caller's reply. Raises _NotBegun."""
        turns = self._turns.setdefault(caller, _Turns(self.threads_per_caller))
        if turns.waiting >= MAX_WAITING_STREAMS_OF_CALLER or self._waiting >= MAX_WAITING_STREAMS:
            raise _NotBegun(is_own=turns.waiting >= MAX_WAITING_STREAMS_OF_CALLER)
        self._waiting += 1
        turns.waiting += 1
        acquired: asyncio.Future[Any] = asyncio.ensure_future(turns.free.acquire())
        try:
            try:
                await asyncio.wait({acquired, gone}, timeout=TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._waiting -= 1
                turns.waiting -= 1
            if gone.done() or not acquired.done():
                raise _NotBegun(is_own=True)
            yield
        finally:
            if acquired.done():
                turns.free.release()
            else:
                acquired.cancel()

    async def _send_pieces(self, producer: "_Producer", reply: StreamedReply, gone: "asyncio.Future[None]", send: Send) -> None:
        running = asyncio.get_running_loop().run_in_executor(self._threads, producer.run)
        try:
            await _send_in_time(send, {"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            while (piece := await producer.pieces.get()) is not None:
                if gone.done():
                    return
                await _send_in_time(send, {"type": "http.response.body", "body": piece, "more_body": True})
                producer.room.release()
            if not producer.is_complete:
                # Without the last message the server closes the connection: the caller sees that the reply isn't whole.
                raise producer.error or CallerGone
            await _send_in_time(send, {"type": "http.response.body", "body": b""})
        finally:
            producer.stop()
            await running


async def _close(reply: StreamedReply) -> None:
    """End a reply that was never begun."""
    await asyncio.get_running_loop().run_in_executor(None, reply.response.close)


async def _send_in_time(send: Send, message: dict[str, Any]) -> None:
    """Raises CallerGone for a caller who doesn't read."""
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            await send(message)
    except TimeoutError as error:
        raise CallerGone from error


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Producer:
    """Makes the pieces of one reply in a thread, a few ahead of the caller."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.room = threading.Semaphore(PIECES_AHEAD)
        self.is_complete = False
        self.error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._is_stopped = False

    def run(self) -> None:
        """Ends with None in `pieces`. Closes the response in this thread, because its cursor and connection are the thread's."""
        try:
            self._make()
        except Exception as error:
            self.error = error
        finally:
            self.response.close()
            self._hand_over(None)

    def _make(self) -> None:
        if self._is_stopped:
            return
        for piece in _gathered(self.response):
            if not self.room.acquire(timeout=STALLED_SECONDS) or self._is_stopped:
                return
            self._hand_over(piece)
        self.is_complete = True

    def stop(self) -> None:
        """Let the thread end before its next piece."""
        self._is_stopped = True
        self.room.release()

    def _hand_over(self, piece: bytes | None) -> None:
        # The loop may be closed already: then no task takes the piece.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.pieces.put_nowait, piece)


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= MIN_PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
