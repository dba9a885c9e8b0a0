"""Reading a request's body from the server, on the event loop: a caller who is slow to send one occupies no thread."""

import io
import tempfile
from typing import IO

from config.messages import CallerGone, Message, Receive

# A body that comes in more than one piece stays in memory up to this size (bytes), then it goes to a temporary file.
IN_MEMORY = 1_048_576
# What unfinished bodies of one process may hold in temporary files (bytes): nobody has checked yet who sends them.
MAX_UNFINISHED = 134_217_728


class TooManyUnfinished(Exception):
    """Other bodies take all the room that there is for unfinished ones."""


class _Room:
    """How much unfinished bodies hold at present. Only the event loop's thread uses it."""

    taken = 0


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
        _Room.taken -= size
    body.seek(0)
    return body


def _write(body: IO[bytes], piece: bytes, size: int) -> int:
    """Returns the body's new size. Raises TooManyUnfinished for a body that is not a small one."""
    if size + len(piece) > IN_MEMORY and _Room.taken + len(piece) > MAX_UNFINISHED:
        raise TooManyUnfinished
    body.write(piece)
    _Room.taken += len(piece)
    return size + len(piece)


def _request(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise CallerGone
    return message
