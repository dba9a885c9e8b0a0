"""Runs ordinary, blocking-style code on an event loop: each call is a greenlet, which awaits without blocking the other calls.

The names are SQLAlchemy's: `greenlet_spawn` starts a function in a greenlet, and the function hands what it must wait for to
`await_only`. Services don't know whether they run in a greenlet or in a thread. A thread for each call costs more than the call itself:
waking it, and its waiting for the interpreter's lock, took half of the web server's time (docs/performance.md).

In a greenlet nothing may block the loop. The posting layer (execution.py) awaits the database by itself. All other code that needs the
database is wrapped in `run_or_retry_in_thread`; without it, Django raises SynchronousOnlyOperation before anything was sent to the
database.
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


class GreenletTask(greenlet):
    """One call that runs on a loop."""

    loop: asyncio.AbstractEventLoop


async def greenlet_spawn(function: Callable[..., T], *arguments: Any) -> T:
    """What the function returns or raises. Where it awaits (`await_only`), a cancelled task raises CancelledError."""
    task = GreenletTask(function)
    task.loop = asyncio.get_running_loop()
    task.gr_context = _context(task.loop).copy()
    # What the function awaits, until it is dead: then what it returned.
    switched = task.switch(*arguments)
    while not task.dead:
        try:
            result = await switched
        except BaseException as error:
            switched = task.throw(error)
        else:
            switched = task.switch(result)
    returned: T = switched
    return returned


def _context(loop: asyncio.AbstractEventLoop) -> contextvars.Context:
    """The context in which each call begins. Django stores its connections by context; new ones for each call cost a tenth of it."""
    if loop not in _contexts:
        context = contextvars.Context()
        context.run(connections.__getitem__, DEFAULT_DB_ALIAS)
        _contexts[loop] = context
    return _contexts[loop]


def current_task() -> GreenletTask | None:
    """The greenlet that this code runs in; None in a thread."""
    current = getcurrent()
    return current if isinstance(current, GreenletTask) else None


def await_only(awaitable: Awaitable[T]) -> T:
    """The result of an awaitable, while the loop goes on with other calls. Only in a greenlet that greenlet_spawn started."""
    parent = getcurrent().parent
    assert parent is not None
    result: T = parent.switch(awaitable)
    return result


def yield_to_loop() -> None:
    """Lets the loop handle everything that has arrived by now. Only in a greenlet."""
    # The first turn runs what the loop has ready, the second what it then reads from its sockets.
    await_only(asyncio.sleep(0))
    await_only(asyncio.sleep(0))


def run_or_retry_in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What the function returns. On a loop it may run twice: first here, then, if it needs the database, again from its start in a thread.

    Here Django refuses it the database (SynchronousOnlyOperation). What needs no database, because it is cached, so costs no thread; and
    whatever the function does before its first query must be safe to do twice.
    """
    task = current_task()
    if task is None:
        return function(*arguments)
    try:
        return function(*arguments)
    except SynchronousOnlyOperation:
        context = contextvars.copy_context()
        return await_only(task.loop.run_in_executor(None, context.run, _with_connection_returned, function, *arguments))


def _with_connection_returned(function: Callable[..., T], *arguments: Any) -> T:
    # No request begins in this thread either: a connection that the server has closed since would cost the caller an error.
    close_old_connections()
    try:
        return function(*arguments)
    finally:
        # No request ends in this thread, so that Django itself would not give a pooled connection back.
        close_old_connections()


class LoopWakeEvent:
    """An event that one greenlet waits for and that is set once, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def wait(self, timeout: float) -> bool:
        """Waits until it is set; False after so many seconds."""
        if self.is_set:
            return True
        self._waiter = self.loop.create_future()
        alarm = self.loop.call_later(timeout, self._wake)
        try:
            await_only(self._waiter)
        finally:
            alarm.cancel()
        return self.is_set

    def set(self) -> None:
        self.is_set = True
        if (task := current_task()) is not None and task.loop is self.loop:
            self._wake()
            return
        # A closed loop has no waiters left, and must not stop the caller, who sets the events of others too.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
