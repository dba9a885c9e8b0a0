"""Ctrl-C and SIGTERM end a run at the end of its batch; a second Ctrl-C ends it at once, which is safe too."""

import signal
import threading
import time
from types import FrameType
from typing import Any

from kernel.backfills.errors import Interrupted

STEP_SECONDS = 0.2


class Stop:
    """Whether somebody asked us to stop. A context manager that listens to the process's signals while it is open."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        # Only the main thread may listen to signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *args: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises Interrupted once a stop was asked for."""
        if self.requested:
            raise Interrupted("Stopped on request.")

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until a stop is asked for."""
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(STEP_SECONDS, left))

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
