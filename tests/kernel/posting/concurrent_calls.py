"""Crowds that make calls at the same time: in threads, as greenlets on one event loop, and in both."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django.db import connection

from kernel.ledger import posting
from kernel.ledger.posting import execution, greenlets

Future = concurrent.futures.Future[Any]


class Threads:
    """Each call in a thread of its own."""

    def __init__(self) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(50)

    def send(self, call: Callable[[], Any]) -> Future:
        return self.pool.submit(self._in_thread, call)

    def _in_thread(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            # As the end of a request does.
            connection.close()

    def close(self) -> None:
        self.pool.shutdown()


class Greenlets:
    """Each call a greenlet on one loop, which has a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def send(self, call: Callable[[], Any]) -> Future:
        return self.do(greenlets.greenlet_spawn(call))

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Future:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def connections(self) -> tuple[int, int]:
        """How many the loop has, and how many of them are at rest."""
        figures = execution._pools[self.loop]["default"].get_stats()
        return figures["pool_size"], figures["pool_available"]

    def close(self) -> None:
        self.do(posting.close_loop_pools()).result()
        self.do(self.loop.shutdown_default_executor()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Mixed:
    """The one kind and the other by turns."""

    def __init__(self, *kinds: Callable[[], Any]) -> None:
        self.kinds = [kind() for kind in kinds]
        self.sent = 0

    def send(self, call: Callable[[], Any]) -> Future:
        self.sent += 1
        return self.kinds[(self.sent - 1) % 2].send(call)

    def close(self) -> None:
        for kind in self.kinds:
            kind.close()


CROWDS: dict[str, Callable[[], Any]] = {
    "threads": Threads,
    "greenlets": Greenlets,
    "mixed, a thread first": lambda: Mixed(Threads, Greenlets),
    "mixed, a greenlet first": lambda: Mixed(Greenlets, Threads),
}
