"""Calls that share one thread: on the server's event loop each waits without holding up the others.

A call runs as a greenlet. It is ordinary code; where it must wait it hands what it waits for to the loop, and goes on from there when
that is done. The services don't know in whose hands they are. A thread for each call costs more than the call itself: waking it, and
waiting for the interpreter's lock once it is awake, took half of the web server's time.

On the loop nothing may block. The database is asked by `posting` alone, which knows how to wait; whatever else needs it says so with
`reading` and goes to a thread, and what doesn't is refused by Django (SynchronousOnlyOperation) before it has done anything.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from greenlet import getcurrent, greenlet

T = TypeVar("T")
_contexts: "WeakKeyDictionary[asyncio.AbstractEventLoop, contextvars.Context]" = WeakKeyDictionary()


class Errand(greenlet):
    """One call under way on a loop."""

    loop: asyncio.AbstractEventLoop


async def run(function: Callable[..., T], *arguments: Any) -> T:
    """What the function returns or raises. It may wait wherever it calls `wait_for`; a cancelled task raises CancelledError there."""
    errand = Errand(function)
    errand.loop = asyncio.get_running_loop()
    errand.gr_context = _context(errand.loop).copy()
    given = errand.switch(*arguments)
    while not errand.dead:
        try:
            answer = await given
        except BaseException as error:
            given = errand.throw(error)
        else:
            given = errand.switch(answer)
    returned: T = given
    return returned


def _context(loop: asyncio.AbstractEventLoop) -> contextvars.Context:
    """Where each errand begins. Django keeps its connections by context; made anew for each call they would cost a tenth of it."""
    if loop not in _contexts:
        context = contextvars.Context()
        context.run(connections.__getitem__, DEFAULT_DB_ALIAS)
        _contexts[loop] = context
    return _contexts[loop]


def errand() -> Errand | None:
    """The errand that this code runs in; None in a thread of its own."""
    current = getcurrent()
    return current if isinstance(current, Errand) else None


def wait_for(awaitable: Awaitable[T]) -> T:
    """What it comes to. Only in an errand, whose loop goes on with others meanwhile."""
    driver = getcurrent().parent
    assert driver is not None
    answer: T = driver.switch(awaitable)
    return answer


def look_round() -> None:
    """Let the loop see to everything that has arrived by now; in a thread, nothing."""
    if errand():
        # One turn for what the loop has in hand already, and one for what it then finds at its sockets.
        wait_for(asyncio.sleep(0))
        wait_for(asyncio.sleep(0))


def reading(function: Callable[..., T], *arguments: Any) -> T:
    """What a function returns that asks the database only to read: in a thread, if it does so on a loop, and then from its beginning."""
    current = errand()
    if current is None:
        return function(*arguments)
    try:
        return function(*arguments)
    except SynchronousOnlyOperation:
        context = contextvars.copy_context()
        return wait_for(current.loop.run_in_executor(None, context.run, _in_thread, function, *arguments))


def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return function(*arguments)
    finally:
        # No request ends here, and a pooled connection must go back.
        close_old_connections()


class Gate:
    """A closed gate for one errand to wait at; like a taken lock, but for the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_open = False
        self._waits: asyncio.Future[None] | None = None

    def acquire(self, *, timeout: float) -> bool:
        """Whether it was opened within so many seconds."""
        if self.is_open:
            return True
        self._waits = self.loop.create_future()
        alarm = self.loop.call_later(timeout, self._wake)
        try:
            wait_for(self._waits)
        finally:
            alarm.cancel()
        return self.is_open

    def release(self) -> None:
        """Open it; from any thread."""
        self.is_open = True
        if (current := errand()) is not None and current.loop is self.loop:
            self._wake()
            return
        # A loop that is over has nobody at its gates; whoever opens them has others to think of.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)
