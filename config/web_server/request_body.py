"""Receives a request's body by ASGI, on the event loop: a caller who is slow to send one occupies no thread.

What the bytes may be, and how they are unpacked, is kernel/api/body_limits.py.
"""

import io
import tempfile
from typing import IO

from config.web_server.asgi_types import CallerGone, Message, Receive

# A body that comes in more than one piece stays in memory up to this size (bytes), then it goes to a temporary file.
IN_MEMORY = 1_048_576
# All bodies that one process is receiving may have this size together (bytes): their callers are not authenticated yet.
MAX_UNFINISHED = 134_217_728


class TooManyUnfinished(Exception):
    """The bodies that are being received have reached MAX_UNFINISHED."""


class _Unfinished:
    """The size of all bodies that are being received (bytes). Only the event loop's thread uses it."""

    bytes = 0


async def read_body(receive: Receive, *, limit: int) -> IO[bytes]:
    """The whole body, or as much as shows that it is larger than `limit` (bytes). Raises CallerGone, TooManyUnfinished."""
    message = _request(await receive())
    if not message.get("more_body"):
        return io.BytesIO(message.get("body", b""))
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller of read_body closes it
    size = 0
    try:
        while True:
            size = _write(body, message.get("body", b""), size)
            if not message.get("more_body") or size > limit:
                break
            message = _request(await receive())
    except BaseException:
        body.close()
        raise
    finally:
        _Unfinished.bytes -= size
    body.seek(0)
    return body


def _write(body: IO[bytes], piece: bytes, size: int) -> int:
    """Returns the body's new size. Raises TooManyUnfinished for a body that is not a small one."""
    if size + len(piece) > IN_MEMORY and _Unfinished.bytes + len(piece) > MAX_UNFINISHED:
        raise TooManyUnfinished
    body.write(piece)
    _Unfinished.bytes += len(piece)
    return size + len(piece)


def _request(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise CallerGone
    return message
