"""The ASGI application. `python -m config.serve` serves it; any ASGI server can.

Postings of one transaction, of which a service gets thousands a second, run on the thread of the event loop
(kernel/ledger/posting/greenlets.py). Everything else runs in a thread, where it may block. Both call Django's WSGI handler.
docs/decisions.md says why each part isn't Django's ASGIHandler or a2wsgi.
"""

import asyncio
import functools
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.db import close_old_connections

from config.api_routing import dialect_of
from config.web_server import request_body
from config.web_server.asgi_types import CallerGone, Receive, Reply, Scope, Send, StreamedReply
from config.web_server.streamed_replies import TURN_SECONDS, Streams, TooManyStreams
from config.wsgi import application as wsgi_application
from kernel.api import json
from kernel.api.body_limits import BodyKind, body_limit
from kernel.api.problems import Problem
from kernel.ledger import posting
from kernel.ledger.posting import greenlets

# The three calls that record one transaction: each is one statement of the database, which may be sent together with others.
ONE_POSTING = frozenset({"/v1/billing/transactions", "/v1/transactions", "/credit-transactions"})
# The page that takes a file (kernel/backfills/admin).
UPLOAD_PAGE = "/admin/backfills/backfillupload/new-file"
# A body that is larger (bytes), or compressed, is read in a thread: on the loop all other calls would wait for it.
MAX_BYTES_ON_LOOP = 65_536
# A streamed reply that says it is no longer than this (bytes), such as a static file, is sent whole.
MAX_WHOLE_BYTES = 1_048_576
# Longer names of headers aren't cached, so that a caller can't fill the memory with them.
MAX_CACHED_LENGTH = 100
# Status and text of a refusal outside of the APIs.
PLAIN = {
    "body_too_large": (413, "More than {limit:,} bytes can't be sent here.\n"),
    "busy": (503, "The server is busy: try again in a second.\n"),
    "throttled": (429, "Too many of your downloads are under way: wait until one has ended.\n"),
}
UNPREFIXED = {"CONTENT_TYPE", "CONTENT_LENGTH"}
_threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="web")
_streams = Streams(threads=max(2, settings.WEB_THREADS // 4))

# After so many seconds (Python: 0.005) a thread that computes lets another one run: the loop is waiting for it.
sys.setswitchinterval(0.001)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        try:
            await _respond(scope, receive, send)
        except CallerGone:
            # The connection is closed: no reply can be sent.
            return
    else:
        await send({"type": "websocket.close"})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await posting.close_loop_pools()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _respond(scope: Scope, receive: Receive, send: Send) -> None:
    environ = _environ(scope)
    is_one_posting = scope["path"] in ONE_POSTING and scope["method"] == "POST"
    limit = body_limit(BodyKind.ITEM if is_one_posting else _largest_kind(scope["path"]))
    length = environ.get("CONTENT_LENGTH", "")
    is_too_large = length.isdecimal() and int(length[:20]) > limit
    if is_too_large and not dialect_of(scope["path"]):
        return await _send(_refusal(scope["path"], Problem("body_too_large", {"limit": limit})), send)
    try:
        # A body that is too large isn't read: the API's view sees its length and refuses it.
        body = io.BytesIO() if is_too_large else await request_body.read_body(receive, limit=limit)
    except request_body.TooManyUnfinished:
        return await _send(_refusal(scope["path"], Problem("busy")), send)
    with body:
        environ["wsgi.input"] = body
        if is_one_posting and isinstance(body, io.BytesIO) and _is_small(body, environ):
            reply: Reply | StreamedReply = await greenlets.greenlet_spawn(_call_and_join, environ)
        else:
            reply = await asyncio.get_running_loop().run_in_executor(_threads, _call_and_maybe_stream, environ)
    if not isinstance(reply, StreamedReply):
        return await _send(reply, send)
    # The view has authenticated the caller; a page that needs nobody's credentials counts by the address.
    caller = getattr(reply.response, "caller", "") or environ["REMOTE_ADDR"]
    try:
        await _streams.send_reply(reply, caller=caller, receive=receive, send=send)
    except TooManyStreams as refusal:
        problem = Problem("throttled", {"wait": TURN_SECONDS}) if refusal.is_own else Problem("busy")
        await _send(_refusal(scope["path"], problem), send)


def _largest_kind(path: str) -> BodyKind:
    """The largest body that a path may take: which calls of an API take a batch, only their views know."""
    if path.rstrip("/") == UPLOAD_PAGE:
        return BodyKind.FILE
    return BodyKind.BATCH if dialect_of(path) else BodyKind.FORM


def _is_small(body: io.BytesIO, environ: dict[str, Any]) -> bool:
    return body.getbuffer().nbytes <= MAX_BYTES_ON_LOOP and "HTTP_CONTENT_ENCODING" not in environ


async def _send(reply: Reply, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


def _refusal(path: str, problem: Problem) -> Reply:
    """The error for a request that is refused before it is read: in the API's words, or in plain ones for pages."""
    dialect = dialect_of(path)
    if dialect is not None:
        headers = {"content-type": "application/json", "cache-control": "no-store"} | dialect.headers(problem)
        body, status = json.to_json(dialect.error_body(problem)), dialect.status(problem)
    else:
        headers = {"content-type": "text/plain; charset=utf-8", "retry-after": str(int(problem.facts.get("wait", 1)))}
        status, text = PLAIN[problem.code]
        text = text.format(**problem.facts)
        body = text.encode()
    headers["content-length"] = str(len(body))
    return Reply(status, [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()], body)


def _environ(scope: Scope) -> dict[str, Any]:
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
        if variable := (_variable(name) if len(name) < MAX_CACHED_LENGTH else _variable.__wrapped__(name)):
            text = value.decode("latin-1")
            environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


@functools.lru_cache(maxsize=1000)
def _variable(name: bytes) -> str | None:
    """A header's name in the environment. None for a name with an underscore, which would be taken for the same name with a hyphen."""
    text = name.decode("latin-1").upper()
    if "_" in text:
        return None
    text = text.replace("-", "_")
    return text if text in UNPREFIXED else f"HTTP_{text}"


def _call_django(environ: dict[str, Any]) -> StreamedReply:
    """Django's response, not yet read."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    response: Any = wsgi_application(environ, lambda status, headers: heads.append((status, headers)))  # type: ignore[arg-type]
    [(status, headers)] = heads
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return StreamedReply(int(status[:3]), encoded, response)


def _call_and_join(environ: dict[str, Any]) -> Reply:
    """Skips response.close() and so request_finished: on the loop no Django connection and no file is opened."""
    reply = _call_django(environ)
    return Reply(reply.status, reply.headers, b"".join(reply.response))


def _call_and_maybe_stream(environ: dict[str, Any]) -> Reply | StreamedReply:
    """The reply; one that is streamed is left unread, for a thread of config/web_server/streamed_replies.py to read and close."""
    reply = _call_django(environ)
    length = dict(reply.headers).get(b"content-length", b"")
    if reply.response.streaming and not (length and int(length) <= MAX_WHOLE_BYTES):
        # request_finished would return this thread's pooled connection; it is sent when the stream ends, and in another thread.
        close_old_connections()
        return reply
    try:
        return Reply(reply.status, reply.headers, b"".join(reply.response))
    finally:
        reply.response.close()
