"""The cache of authentication: keys, and child tenants, are trusted for a few seconds after they were read (API_KEY_CACHE_SECONDS)."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

MAX_ENTRIES = 10_000


class KeyCache:
    """A bounded cache with a time to live. A wrong key is never stored, so guesses can't evict good keys."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def get(self, name: Hashable, *, seconds: float, load: Callable[[], Any]) -> Any:
        """The cached value, or a new one from `load`, which is then cached for so long; what `load` raises is passed on and not cached."""
        entry = self._entries.get(name)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        value = load()
        with self._lock:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.clear()
            self._entries[name] = (time.monotonic() + seconds, value)
        return value

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
