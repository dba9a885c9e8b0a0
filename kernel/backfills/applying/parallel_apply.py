"""Posts a run with several processes, each a share of its accounts. They are forks of the command, and end with it."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn

from django.db import DatabaseError, connection

from kernel.backfills import services
from kernel.backfills.applying import locks
from kernel.backfills.applying.apply_run import ApplyRun
from kernel.backfills.errors import BackfillStopped, DatabaseLost, Interrupted, NotAllowed, ReaderLost
from kernel.backfills.models import BackfillRun, BackfillShare
from kernel.backfills.terminal.progress_bar import Progress
from kernel.backfills.terminal.stop_requests import Stop

ADD_UP_EVERY_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.1
STANDARD_STREAMS = 3
# Why a child ended, as its exit code; the text comes through a pipe.
ENDINGS: dict[int, type[BackfillStopped]] = {3: NotAllowed, 4: DatabaseLost, 130: Interrupted}
MAX_REASON_LENGTH = 4000


@dataclass
class ChildProcess:
    """A child process and the pipe that its reason for ending comes through."""

    process: int
    pipe: int
    status: int | None = None


@dataclass
class ParallelApply:
    """The parent's work: it starts a child for each share, waits for them and adds their checkpoints up.

    `make_application` makes a child's ApplyRun, once the child has a connection of its own.
    """

    run: BackfillRun
    shares: list[BackfillShare]
    make_application: Callable[[BackfillShare, Stop], ApplyRun]
    progress: Progress
    stop: Stop
    children: list[ChildProcess] = field(default_factory=list)

    def work(self) -> None:
        """Raises BackfillStopped with the first child's reason; the run can be resumed afterwards."""
        try:
            self.children = [self._start(share) for share in self.shares]
            self._wait()
        finally:
            self._end_all()
            with suppress(DatabaseError):
                services.add_up_shares(run=self.run)
        # Those that were only asked to stop, because another one failed, come last.
        for child in sorted(self.children, key=lambda child: _was_stopped(child.status or 0)):
            self._raise_reason(child)
        self.stop.check()
        if self.run.position != self.run.rows:
            raise NotAllowed(f"The file ended at row {self.run.position} where the plan counted {self.run.rows}. Plan again.")

    def _start(self, share: BackfillShare) -> ChildProcess:
        reading, writing = os.pipe()
        # Nothing of this process may be printed twice.
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        process = os.fork()
        if not process:
            _work(share, self.make_application, writing, parent=parent)
        os.close(writing)
        return ChildProcess(process=process, pipe=reading)

    def _wait(self) -> None:
        """Until every child has ended. One that fails, or a request to stop, ends the others after their batch."""
        added_up, is_stopping = time.monotonic(), False
        while running := [child for child in self.children if not _reap(child)]:
            if not is_stopping and (self.stop.requested or any(child.status for child in self.children)):
                is_stopping = True
                _signal(running, signal.SIGTERM)
            if time.monotonic() - added_up > ADD_UP_EVERY_SECONDS:
                services.add_up_shares(run=self.run)
                self.progress.reach(self.run.position)
                added_up = time.monotonic()
            time.sleep(LOOK_EVERY_SECONDS)

    def _end_all(self) -> None:
        running = [child for child in self.children if not _reap(child)]
        _signal(running, signal.SIGKILL)
        for child in running:
            _, child.status = os.waitpid(child.process, 0)

    def _raise_reason(self, child: ChildProcess) -> None:
        with os.fdopen(child.pipe, "rb") as pipe:
            reason = pipe.read().decode()
        status = child.status or 0
        if os.WIFSIGNALED(status):
            raise ReaderLost(f"A process that posts a share was ended by signal {os.WTERMSIG(status)}.")
        code = os.WEXITSTATUS(status)
        if code:
            raise ENDINGS.get(code, DatabaseLost)(reason or "A process that posts a share failed.")


def _was_stopped(status: int) -> bool:
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == Interrupted.exit_code


def _reap(child: ChildProcess) -> bool:
    """Whether the process has ended; then its status is kept."""
    if child.status is None:
        process, status = os.waitpid(child.process, os.WNOHANG)
        child.status = status if process else None
    return child.status is not None


def _signal(children: list[ChildProcess], number: int) -> None:
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child.process, number)


def _work(share: BackfillShare, make_application: Callable[[BackfillShare, Stop], ApplyRun], pipe: int, *, parent: int) -> NoReturn:
    """A child's whole life. Its exit code says how it ended."""
    code, reason = 1, ""
    try:
        inherited = _detach(keep=pipe)
        with _StopWithParent(parent) as stop:
            application = make_application(share, stop)
            with locks.hold_run_lock(application.run, wait=True, stop=stop, share=share.number):
                share.refresh_from_db()
                application.work()
        code = 0
        del inherited
    except BackfillStopped as stopped:
        code, reason = stopped.exit_code, str(stopped)
    except KeyboardInterrupt:
        code, reason = Interrupted.exit_code, "Stopped at once."
    except BaseException as error:
        code, reason = DatabaseLost.exit_code, f"A process that posts a share failed: {error!r}."
    finally:
        with suppress(OSError):
            os.write(pipe, reason.encode()[:MAX_REASON_LENGTH])
        # Skips the parent's exit handlers, and the closing of its database connection, which would end it.
        os._exit(code)


def _detach(keep: int) -> list[Any]:
    """Close the inherited sockets, without a word to the server, and forget the connection. Returns what must not be collected: a closed
    connection object would say goodbye on a socket that is another's by then.
    """
    inherited = [connection.connection, dict(getattr(connection, "_connection_pools", {}))]
    connection.connection = None
    getattr(connection, "_connection_pools", {}).clear()
    for low, high in pairwise([STANDARD_STREAMS - 1, keep, os.sysconf("SC_OPEN_MAX")]):
        os.closerange(low + 1, high)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [f"backfill share of {os.getppid()}"])
    return inherited


class _StopWithParent(Stop):
    """Stops on request, and when the parent is gone: nobody would add up its rows."""

    def __init__(self, parent: int) -> None:
        super().__init__()
        self.parent = parent

    def check(self) -> None:
        if os.getppid() != self.parent:
            raise Interrupted("The process that started this one is gone.")
        super().check()
