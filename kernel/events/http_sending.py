"""One HTTP request to a receiver: to a vetted address, within a total time, and with bounds on what is read.

urllib3 connects to the address that was vetted, with the name for SNI, the certificate check and the Host header. It follows no redirect,
reads no proxy from the environment, and keeps no cookie. Its own time limits are for each read; the total one is a timer that ends the
connection, because a receiver could send one byte at a time for ever.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from kernel.events.addresses import AddressRefused, Target, check_url, vetted_addresses
from kernel.events.errors import UrlRefused

log = structlog.get_logger("countinghouse.events")

TOTAL_SECONDS = 15.0
MAX_RESPONSE_BYTES = 4096
MAX_ADDRESSES = 3


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
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    @property
    def remaining(self) -> float:
        return max(0.01, self.ends_at - time.monotonic())

    def connect(self, connection: HTTPConnection) -> None:
        """Raises what connecting raises."""
        self._connection = connection
        connection.connect()
        # A connection gives its socket away to a response that ends it.
        self._sock = connection.sock

    def _end(self) -> None:
        self.is_over = True
        sock = self._sock or getattr(self._connection, "sock", None)
        if sock is not None:
            # Of the plain socket, also under TLS: a polite end would wait for the receiver.
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
        except (HTTPError, OSError, ValueError) as error:
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
    connection = _connected(target, answer, deadline)
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
    finally:
        connection.close()


def _headers(request: Request, target: Target) -> dict[str, str]:
    is_default = target.port == {"https": 443, "http": 80}[target.scheme]
    host = f"[{target.host}]" if ":" in target.host else target.host
    return {**request.headers, "host": host if is_default else f"{host}:{target.port}", "accept-encoding": "identity"}


def _connected(target: Target, answer: Answer, deadline: _Deadline) -> HTTPConnection:
    """A connection to a vetted address of the target; to the next one where one can't be reached. Raises what the last one does."""
    if settings.WEBHOOK_EGRESS_PROXY:
        return _connected_by_proxy(target, deadline)
    addresses = vetted_addresses(target.host, target.port)[:MAX_ADDRESSES]
    for place, address in enumerate(addresses, 1):
        answer.ip = address
        connection = _connection(target, address, target.port, timeout=deadline.remaining)
        try:
            deadline.connect(connection)
        except (HTTPError, OSError):
            connection.close()
            if place == len(addresses) or deadline.is_over:
                raise
        else:
            return connection
    raise AddressRefused(f"{target.host} has no address")


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
        ca_certs=settings.WEBHOOK_CA_FILE or None,
    )


def _connected_by_proxy(target: Target, deadline: _Deadline) -> HTTPConnection:
    """A tunnel through the operator's proxy, which looks the name up and decides whether it may be reached."""
    proxy = parse_url(settings.WEBHOOK_EGRESS_PROXY)
    connection = _connection(target, str(proxy.host), proxy.port or 80, timeout=deadline.remaining)
    connection.set_tunnel(target.host, target.port, scheme="http")
    deadline.connect(connection)
    return connection


def _reason(error: Exception) -> str:
    """The error in one line, without the addresses of objects that urllib3 puts into its texts."""
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text.rpartition('>: ')[2] or text}"
