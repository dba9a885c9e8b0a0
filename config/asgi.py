"""The ASGI entry: uvicorn serves `config.asgi:application`.

Postings of one transaction, of which a service gets thousands a second, share the event loop's thread (kernel/ledger/posting/greenlets.py).
Everything else gets a thread of its own, where it may block. Either way it is Django that answers, as under any WSGI server.
"""

import asyncio
import functools
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from django.conf import settings

from config.api_routing import dialect_of
from config.wsgi import application as answer
from kernel.ledger import posting
from kernel.ledger.posting import greenlets

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# The three calls that record one transaction: each is one statement of the database, and may travel with others.
ONE_POSTING = frozenset({"/v1/billing/transactions", "/v1/transactions", "/credit-transactions"})
# A streamed reply travels in pieces of at least this size: handing one over from its thread costs as much whatever it holds.
PIECE = 65_536
# A body that comes in more than one piece stays in memory up to this size (bytes).
IN_MEMORY = 1_048_576
PLAIN = [(b"content-type", b"text/plain; charset=utf-8")]
UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}
_threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="web")

# A thread that computes gives the interpreter up after so many seconds (Python: 0.005), because the loop is waiting for it.
sys.setswitchinterval(0.001)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        try:
            await _answer(scope, receive, send)
        except CallerGone:
            # There is nobody left to be told.
            return
    else:
        await send({"type": "websocket.close"})


class CallerGone(OSError):
    """The connection ended before the request did."""


class Reply(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await posting.close_on_loop()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    environ = _environ(scope)
    is_one_posting = scope["path"] in ONE_POSTING and scope["method"] == "POST"
    limit = settings.API_BODY_LIMIT if is_one_posting else settings.API_BATCH_BODY_LIMIT
    length = environ.get("CONTENT_LENGTH", "")
    is_too_large = length.isdecimal() and int(length[:20]) > limit
    if is_too_large and not dialect_of(scope["path"]):
        return await _send(Reply(413, PLAIN, f"More than {limit:,} bytes can't be sent here.\n".encode()), send)
    # An API says so in its own words: nothing has to be read for that.
    body = io.BytesIO() if is_too_large else await _body(receive, limit=limit)
    environ["wsgi.input"] = body
    with body:
        if is_one_posting:
            reply = await greenlets.greenlet_spawn(_whole, environ)
        else:
            running = asyncio.get_running_loop()
            reply = await running.run_in_executor(_threads, _whole_or_streamed, environ, _Line(receive, send, running))
    if reply is not None:
        await _send(reply, send)
    return None


async def _send(reply: Reply, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _body(receive: Receive, *, limit: int) -> IO[bytes]:
    """All of it, or as much as shows that it is too large. Raises CallerGone.

    Whoever is slow to send it, or never does, keeps no thread waiting.
    """
    message = _arrived(await receive())
    if not message.get("more_body"):
        return io.BytesIO(message.get("body", b""))
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - who answers closes it
    try:
        size = body.write(message.get("body", b""))
        while message.get("more_body") and size <= limit:
            message = _arrived(await receive())
            size += body.write(message.get("body", b""))
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


def _arrived(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise CallerGone
    return message


def _environ(scope: dict[str, Any]) -> dict[str, Any]:
    server, client = scope.get("server") or ("localhost", None), scope.get("client")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if variable := _variable(name):
            text = value.decode("latin-1")
            environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


@functools.lru_cache(maxsize=1000)
def _variable(name: bytes) -> str | None:
    """A header's name in the environment. None where an underscore would let it pass for another."""
    text = name.decode("latin-1").upper()
    if "_" in text:
        return None
    text = text.replace("-", "_")
    return text if text in UNPREFIXED else f"HTTP_{text}"


class _Line(NamedTuple):
    """The connection to the caller, for a thread."""

    receive: Receive
    send: Send
    running: asyncio.AbstractEventLoop

    def do(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self.running)


def _answered(environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], Any]:
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    response: Any = answer(environ, lambda status, headers: heads.append((status, headers)))
    [(status, headers)] = heads
    return int(status[:3]), [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers], response


def _whole(environ: dict[str, Any]) -> Reply:
    """Without Django's farewell to a request: it looks after connections and files, of which none was opened here."""
    status, headers, response = _answered(environ)
    return Reply(status, headers, b"".join(response))


def _whole_or_streamed(environ: dict[str, Any], line: _Line) -> Reply | None:
    """The reply; None if it has been sent already, in pieces."""
    status, headers, response = _answered(environ)
    try:
        if not response.streaming:
            return Reply(status, headers, b"".join(response))
        line.do(line.send({"type": "http.response.start", "status": status, "headers": headers})).result()
        _stream(response, line)
        return None
    finally:
        response.close()


def _stream(response: Iterable[bytes], line: _Line) -> None:
    """Send as fast as the caller reads, and no longer than he is there."""
    gone = line.do(_until_gone(line.receive))
    try:
        for piece in _pieces(response):
            if gone.done():
                return
            line.do(line.send({"type": "http.response.body", "body": piece, "more_body": True})).result()
        line.do(line.send({"type": "http.response.body", "body": b""})).result()
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(block)
        size += len(block)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)
