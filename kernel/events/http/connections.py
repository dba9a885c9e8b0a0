"""Connections to receivers that stay open between requests, and the clock that ends a request which takes too long.

A connection is used again only for the same URL's scheme, name and port, and only towards an address that was vetted for this request: an
open connection never leads where a new one may not.
"""

import heapq
import itertools
import ssl
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from urllib3.connection import HTTPConnection
from urllib3.util.ssl_ import create_urllib3_context

# Shorter than receivers keep an idle connection (Node.js 5 s, nginx 75): one that is ended while a request is on its way costs another try.
IDLE_SECONDS = 4.0
MAX_IDLE = 64


class Route(NamedTuple):
    """What a connection was made for; `authorities`: the file of the certificates that it was checked against."""

    scheme: str
    host: str
    port: int
    address: str
    authorities: str


class IdleConnections:
    """Open connections that no request uses. For any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # (idle since, route, connection), the longest idle first.
        self._idle: list[tuple[float, Route, HTTPConnection]] = []

    def take(self, route: Route) -> HTTPConnection | None:
        """One that the receiver hasn't ended, as far as can be seen; None if there is none."""
        while True:
            with self._lock:
                place = next((place for place in reversed(range(len(self._idle))) if self._idle[place][1] == route), None)
                if place is None:
                    return None
                since, _, connection = self._idle.pop(place)
            if self._clock() - since < IDLE_SECONDS and connection.is_connected:
                return connection
            connection.close()

    def put(self, route: Route, connection: HTTPConnection) -> None:
        """Keep a connection whose last answer was read to its end. Those that are idle for too long, or too many, are closed."""
        now = self._clock()
        with self._lock:
            self._idle.append((now, route, connection))
            ended = sum(now - since >= IDLE_SECONDS for since, _, _ in self._idle)
            ended = max(ended, len(self._idle) - MAX_IDLE)
            closed, self._idle = self._idle[:ended], self._idle[ended:]
        for _, _, each in closed:
            each.close()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            closed, self._idle = self._idle, []
        for _, _, each in closed:
            each.close()


class Timer:
    """Calls functions at their time, from one thread that lives as long as the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._moments: list[tuple[float, int]] = []
        self._functions: dict[int, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None

    def call_at(self, moment: float, function: Callable[[], None]) -> int:
        """Call it then, by time.monotonic, unless `cancel` is called with the number that this returns."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="webhook-timer", daemon=True)
                self._thread.start()
            number = next(self._numbers)
            self._functions[number] = function
            heapq.heappush(self._moments, (moment, number))
            if self._moments[0][1] == number:
                self._changed.notify()
        return number

    def cancel(self, number: int) -> None:
        """Does nothing where the function has been called."""
        with self._changed:
            self._functions.pop(number, None)
            while self._moments and self._moments[0][1] not in self._functions:
                heapq.heappop(self._moments)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._moments or self._moments[0][0] > time.monotonic():
                    self._changed.wait(self._moments[0][0] - time.monotonic() if self._moments else None)
                function = self._functions.pop(heapq.heappop(self._moments)[1], None)
            if function is not None:
                function()


@lru_cache(maxsize=8)
def tls_context(authorities: str) -> ssl.SSLContext:
    """How certificates are checked: against the file, or the system's authorities if it is empty. It is kept: to read them takes 20 ms."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if authorities:
        context.load_verify_locations(authorities)
    else:
        context.load_default_certs()
    return context


idle_connections = IdleConnections()
timer = Timer()
