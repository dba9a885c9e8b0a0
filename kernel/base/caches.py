"""Caches of one process, with a bound on what they keep."""

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedDict(dict[Key, Value]):
    """A dictionary that is emptied before it would get more than `at_most` keys by `d[key] = value`: for what may be lost at any time.

    Threads that set keys at the same moment may leave a few more.
    """

    __slots__ = ("at_most",)

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most

    def __setitem__(self, key: Key, value: Value) -> None:
        if len(self) >= self.at_most and key not in self:
            self.clear()
        super().__setitem__(key, value)


class TimedCache:
    """Values that are trusted for a while after they were loaded."""

    def __init__(self, at_most: int) -> None:
        self._entries: BoundedDict[Hashable, tuple[float, Any]] = BoundedDict(at_most)

    def get(self, name: Hashable, *, seconds: float, load: Callable[[], Any]) -> Any:
        """The cached value, or a new one from `load`, which is then cached for so long; what `load` raises is passed on and not cached."""
        entry = self._entries.get(name)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        value = load()
        self._entries[name] = (time.monotonic() + seconds, value)
        return value

    def clear(self) -> None:
        self._entries.clear()
