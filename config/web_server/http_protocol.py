"""HTTP/1.1 with bounds, for uvicorn: no connection may hold memory, or count as a connection, for longer than a request needs.

uvicorn's own protocol has no limit on the size of a head, no time limit on a head or on a client that doesn't read its reply, and treats
trailers of a chunked body as headers. A proxy in front usually has such limits; without one, these are the only ones. `config/serve.py`
uses this class.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The request line and all headers of a request, or what surrounds the data of a chunked body (bytes).
MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
# From a connection's first moment, or the first byte of a later request, to the end of the head.
HEAD_SECONDS = 20.0
# Without a byte of a body that the application waits for; and the whole body.
BODY_IDLE_SECONDS = 20.0
BODY_SECONDS = 300.0
# How long a caller may leave a reply's bytes unread while more of them wait.
SEND_SECONDS = 10.0
# Connections of one process that have not sent a whole head yet. The oldest is closed for a new one.
MAX_WAITING_CONNECTIONS = 500


class _HeadTooLarge(Exception):
    """Raised within the parser, which makes an HttpParserError of it."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    # The connections that have not sent a whole head yet, the oldest first.
    waiting: "OrderedDict[BoundedHttpProtocol, None]" = OrderedDict()
    # Connections of this process, and what to call when one of them ends.
    open_connections = 0
    on_close: ClassVar[Callable[[], None] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = True
        self._is_in_body = False
        # Bytes received since the parser last finished a head or gave a piece of a body, and those that were received last.
        self._pending_bytes = 0
        self._last_bytes = 0
        self._refusal: HTTPStatus | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._body_began = 0.0
        self._body_moved = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        BoundedHttpProtocol.open_connections += 1
        self.waiting[self] = None
        if len(self.waiting) > MAX_WAITING_CONNECTIONS:
            oldest, _ = self.waiting.popitem(last=False)
            oldest.transport.abort()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        BoundedHttpProtocol.open_connections -= 1
        if BoundedHttpProtocol.on_close is not None:
            BoundedHttpProtocol.on_close()
        self.waiting.pop(self, None)
        for timer in (self._head_timer, self._body_timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._last_bytes = len(data)
        self._pending_bytes += self._last_bytes
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._pending_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._is_in_head and self._pending_bytes and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT)
        elif self._is_in_body and self._body_timer is None:
            self._body_began = self._body_moved = self.loop.time()
            self._body_timer = self.loop.call_later(BODY_IDLE_SECONDS, self._look_at_body)

    # Each callback of the parser that is overridden costs every request: headers are looked at together, when all are there.

    def on_headers_complete(self) -> None:
        if self._is_too_large():
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _HeadTooLarge
        self._is_in_head, self._is_in_body, self._pending_bytes = False, True, 0
        self.waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        # The parser reports trailers of a chunked body in the same way. They are not headers: whatever checked the headers, a proxy for
        # one, has not seen them. They go to a list that nobody reads.
        self.headers = []

    def _is_too_large(self) -> bool:
        """Whether the head that is complete has too many headers or bytes; they are counted only where so many were received."""
        if len(self.headers) > MAX_HEADERS:
            return True
        if max(self._pending_bytes, self._last_bytes) <= MAX_HEAD_BYTES:
            return False
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES

    def on_body(self, body: bytes) -> None:
        self._pending_bytes = 0
        super().on_body(body)
        if self._body_timer is not None:
            self._body_moved = self.loop.time()

    def on_message_complete(self) -> None:
        self._is_in_head, self._is_in_body, self._pending_bytes = True, False, 0
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()

    def _look_at_body(self) -> None:
        """Close the connection if its body stops arriving or takes too long, unless this server itself has paused reading."""
        now = self.loop.time()
        is_late = now - self._body_moved >= BODY_IDLE_SECONDS or now - self._body_began >= BODY_SECONDS
        if is_late and not self.flow.read_paused:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._body_timer = self.loop.call_later(BODY_IDLE_SECONDS, self._look_at_body)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def send_400_response(self, msg: str) -> None:
        if self._refusal is None:
            super().send_400_response(msg)
        else:
            self._refuse(self._refusal)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, if no reply has begun, and close the connection."""
        self._refusal = status
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(line.encode())
        self.transport.close()
        self.loop.call_later(SEND_SECONDS, self.transport.abort)
