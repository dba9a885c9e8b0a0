"""The types of the ASGI entry: what servers pass and what is passed back to them."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class CallerGone(OSError):
    """The connection ended before the request did."""


class Reply(NamedTuple):
    """A reply in memory. Header names are in lower case."""

    status: int
    headers: Headers
    body: bytes


class StreamedReply(NamedTuple):
    """A reply whose body is produced while it is sent. `response` is Django's: an iterable of bytes that must be closed."""

    status: int
    headers: Headers
    response: Any
