"""One HTTP request to a receiver: to a vetted address, within a total time, and with bounds on what is read.

The name is looked up and its addresses are vetted for each request. urllib3 connects to a vetted address, with the name for SNI, the
certificate check and the Host header, or an open connection to a vetted address is used again (connections.py). It follows no
redirect, reads no proxy from the environment, and keeps no cookie. Its own time limits are for each read; the total one is a timer that
ends the connection, because a receiver could send one byte at a time for ever.
"""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from kernel.events.errors import UrlRefused
from kernel.events.http.connections import Route, idle_connections, timer, tls_context
from kernel.events.http.url_safety import AddressRefused, Target, check_url, vetted_addresses

log = structlog.get_logger("countinghouse.events")

TOTAL_SECONDS = 15.0
MAX_RESPONSE_BYTES = 4096
MAX_ADDRESSES = 3
# What is seen where the other side has ended a connection.
ENDED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; `body` is sent byte for byte."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Answer:
    """What came of a request. `error` is empty for a 2xx answer that was read in time; header names are in lower case."""

    status_code: int | None = None
    error: str = ""
    head: str = ""
    ip: str = ""
    duration_ms: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class _Deadline:
    """Ends a connection when its time is over. Connections are handed to it before they connect, their sockets after it."""

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.is_over = False
        self._connection: Any = None
        self._sock: Any = None

    def __enter__(self) -> "_Deadline":
        self._number = timer.call_at(self.ends_at, self._end)
        return self

    def __exit__(self, *error: object) -> None:
        timer.cancel(self._number)
        # A call that has begun may end no connection that another request uses by now.
        self._connection = self._sock = None

    @property
    def remaining(self) -> float:
        return max(0.01, self.ends_at - time.monotonic())

    def connect(self, connection: HTTPConnection) -> None:
        """Raises what connecting raises."""
        self._connection = connection
        connection.connect()
        self.watch(connection)

    def watch(self, connection: HTTPConnection) -> None:
        """Of a connection that is open."""
        self._connection = connection
        # A connection gives its socket away to a response that ends it.
        self._sock = connection.sock
        connection.timeout = self.remaining

    def _end(self) -> None:
        self.is_over = True
        sock = self._sock or getattr(self._connection, "sock", None)
        if sock is not None:
            # Shuts down the plain socket, also under TLS: the closing of a TLS connection would wait for the receiver.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def send(request: Request, *, seconds: float = TOTAL_SECONDS) -> Answer:
    """Send one POST and read the answer. Never raises for what the receiver, its name or the network does."""
    answer = Answer()
    began = time.monotonic()
    with _Deadline(seconds) as deadline:
        try:
            _exchange(request, answer, deadline)
        except (UrlRefused, AddressRefused) as error:
            answer.error = str(error.facts["reason"]) if isinstance(error, UrlRefused) else str(error)
        except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            answer.error = _reason(error)
        except Exception:
            # A fault of ours is an attempt like any other: it is tried again, and seen in the log of attempts.
            log.exception("webhook_request_failed", url=request.url)
            answer.error = "the request could not be made"
        if deadline.is_over:
            answer.error = f"no complete answer within {seconds:g} s"
    answer.duration_ms = int((time.monotonic() - began) * 1000)
    answer.error = answer.error[:200]
    return answer


def _exchange(request: Request, answer: Answer, deadline: _Deadline) -> None:
    target = check_url(request.url)
    addresses = _addresses(target)
    routes = [Route(target.scheme, target.host, target.port, address, settings.WEBHOOK_CA_FILE) for address in addresses]
    connections = ((idle_connections.take(route), route) for route in routes)
    open_connection, open_route = next((found for found in connections if found[0] is not None), (None, routes[0]))
    if open_connection is not None and _try_open_connection(open_connection, open_route, request, answer, deadline):
        return
    connection, route = _connected(target, routes, answer, deadline)
    _ask(connection, route, request, answer)


def _try_open_connection(connection: HTTPConnection, route: Route, request: Request, answer: Answer, deadline: _Deadline) -> bool:
    """Ask on a connection that was open. False where the receiver ended it when it was idle, before it saw the request."""
    answer.ip = _shown_address(route)
    deadline.watch(connection)
    try:
        _ask(connection, route, request, answer)
    except ENDED:
        if answer.status_code is not None or deadline.is_over:
            raise
        return False
    return True


def _shown_address(route: Route) -> str:
    return "" if settings.WEBHOOK_EGRESS_PROXY else route.address


def _ask(connection: HTTPConnection, route: Route, request: Request, answer: Answer) -> None:
    """Send the request, read the answer, and keep the connection if the receiver does."""
    target = check_url(request.url)
    is_reusable = False
    try:
        connection.request("POST", target.path, body=request.body, headers=_headers(request, target), preload_content=False)
        response = connection.getresponse()
        answer.status_code = response.status
        answer.headers = {name.lower(): value for name, value in response.headers.items()}
        head = response.read(MAX_RESPONSE_BYTES, decode_content=False)
        # PostgreSQL stores no NUL.
        answer.head = head.decode(errors="replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        if 300 <= response.status < 400:
            answer.error = f"status {response.status}: redirects are not followed"
        elif not 200 <= response.status < 300:
            answer.error = f"status {response.status}"
        # http.client gives the socket away where the receiver will end the connection.
        is_reusable = response.closed and connection.sock is not None
    finally:
        if is_reusable:
            idle_connections.put(route, connection)
        else:
            connection.close()


def _headers(request: Request, target: Target) -> dict[str, str]:
    is_default = target.port == {"https": 443, "http": 80}[target.scheme]
    host = f"[{target.host}]" if ":" in target.host else target.host
    return {**request.headers, "host": host if is_default else f"{host}:{target.port}", "accept-encoding": "identity"}


def _addresses(target: Target) -> list[str]:
    """The vetted addresses of the target, or the operator's proxy, which looks the name up and decides whether it may be reached."""
    if settings.WEBHOOK_EGRESS_PROXY:
        return [settings.WEBHOOK_EGRESS_PROXY]
    addresses = vetted_addresses(target.host, target.port)[:MAX_ADDRESSES]
    if not addresses:
        raise AddressRefused(f"{target.host} has no address")
    return addresses


def _connected(target: Target, routes: list[Route], answer: Answer, deadline: _Deadline) -> tuple[HTTPConnection, Route]:
    """A new connection to one of the addresses; to the next one where one can't be reached. Raises what the last one does."""
    for route in routes[:-1]:
        with contextlib.suppress(HTTPError, http.client.HTTPException, OSError):
            return _connected_to(target, route, answer, deadline), route
        if deadline.is_over:
            break
    return _connected_to(target, routes[-1], answer, deadline), routes[-1]


def _connected_to(target: Target, route: Route, answer: Answer, deadline: _Deadline) -> HTTPConnection:
    answer.ip = _shown_address(route)
    if settings.WEBHOOK_EGRESS_PROXY:
        proxy = parse_url(settings.WEBHOOK_EGRESS_PROXY)
        connection = _connection(target, str(proxy.host), proxy.port or 80, timeout=deadline.remaining)
        connection.set_tunnel(target.host, target.port, scheme="http")
    else:
        connection = _connection(target, route.address, target.port, timeout=deadline.remaining)
    try:
        deadline.connect(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connection(target: Target, address: str, port: int, *, timeout: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(address, port, timeout=timeout)
    return HTTPSConnection(
        address,
        port,
        timeout=timeout,
        server_hostname=target.host,
        assert_hostname=target.host,
        cert_reqs="CERT_REQUIRED",
        ssl_context=tls_context(settings.WEBHOOK_CA_FILE),
    )


def _reason(error: Exception) -> str:
    """The error in one line, without the addresses of objects that urllib3 puts into its texts."""
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text.rpartition('>: ')[2] or text}"
