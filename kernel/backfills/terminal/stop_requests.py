"""Requests to stop a run: Ctrl-C and SIGTERM (POSIX signals) end it after its current batch.

A second Ctrl-C ends it at once; its open transaction is rolled back.
"""

import signal
import threading
import time
from types import FrameType
from typing import Any

from kernel.backfills.errors import Interrupted

STEP_SECONDS = 0.2


class Stop:
    """Whether somebody asked the process to stop. A context manager that handles the process's signals while it is open."""

    def __init__(self) -> None:
        self.requested = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *args: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Stop here if a signal asked for it. Raises Interrupted."""
        if self.requested:
            raise Interrupted("Stopped on request.")

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until a stop is requested."""
        until = time.monotonic() + seconds
        while not self.requested and (remaining := until - time.monotonic()) > 0:
            time.sleep(min(STEP_SECONDS, remaining))

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
