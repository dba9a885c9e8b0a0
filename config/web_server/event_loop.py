"""The event loop of a web server with several processes: a new connection goes to the process that has the fewest.

All processes accept from one listening socket. In uvloop's own server the first process that wakes takes every connection that waits.
Clients that keep their connections open, and most do, then stay where they are: with two processes, 16 connections that were opened
together were often all on one of them, and half of the machine had nothing to do.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import uvloop

from config.web_server.connection_balance import ENVIRONMENT_VARIABLE, NOT_ACCEPTING, ConnectionCounts
from config.web_server.http_protocol import BoundedHttpProtocol

# How long a process leaves a connection to one that has fewer, which may be busy; and how often it looks meanwhile.
WAIT_SECONDS = 0.005
RECHECK_SECONDS = 0.001
# When this process can open no more files.
RETRY_SECONDS = 1.0


class BalancedLoop(uvloop.Loop):
    """uvloop, but for the server over a socket that several processes share."""

    async def create_server(self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **options: Any) -> Any:
        path = os.environ.get(ENVIRONMENT_VARIABLE)
        if path is None or options.get("sock") is None or options.get("ssl") is not None:
            return await super().create_server(protocol_factory, *args, **options)
        options["sock"].listen(options["backlog"])
        return BalancedServer(self, protocol_factory, options["sock"], ConnectionCounts(path))


class BalancedServer:
    """Accepts connections from `listener` until `close()`: one in a turn of the loop, so that others can take the next."""

    def __init__(
        self,
        loop: BalancedLoop,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        listener: socket.socket,
        counts: ConnectionCounts,
    ) -> None:
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._listener = listener
        self._listener.settimeout(0)
        self._counts = counts
        self._timer: asyncio.TimerHandle | None = None
        # Accepted, but not yet with their protocols.
        self._opening: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        BoundedHttpProtocol.on_close = self._count
        self._count()
        self._watch()

    def _count(self) -> None:
        if not self._is_closed:
            self._counts.set(BoundedHttpProtocol.open_connections + len(self._opening))

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener, self._look)

    def _look(self) -> None:
        """A connection waits."""
        if self._counts.is_lowest():
            self._accept()
        else:
            self._loop.remove_reader(self._listener)
            self._look_again(self._loop.time() + WAIT_SECONDS)

    def _look_again(self, until: float) -> None:
        if self._counts.is_lowest() or self._loop.time() >= until:
            self._watch()
            self._accept()
        else:
            self._timer = self._loop.call_later(RECHECK_SECONDS, self._look_again, until)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # Another process took it, or the client left.
            return
        except OSError:
            # Too many open files. The connection goes on waiting; to look again at once would keep the loop busy.
            self._loop.remove_reader(self._listener)
            self._timer = self._loop.call_later(RETRY_SECONDS, self._watch)
            return
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol_factory, connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        self._count()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._counts.set(NOT_ACCEPTING)
        if self._timer is None:
            self._loop.remove_reader(self._listener)
        else:
            self._timer.cancel()

    async def wait_closed(self) -> None:
        """Nothing to wait for: open connections belong to their protocols."""
