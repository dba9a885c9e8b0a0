"""What this process has just learned from the database about a key, believed for a few seconds."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

MOST = 10_000


class Warm:
    """A bounded memory with a time to live. A wrong key is never remembered, so guesses can't push good keys out."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def get(self, name: Hashable, *, seconds: float, load: Callable[[], Any]) -> Any:
        """The remembered answer, or a new one from `load`; what `load` raises is passed on and not remembered."""
        known = self._known.get(name)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        answer = load()
        with self._lock:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[name] = (time.monotonic() + seconds, answer)
        return answer

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
