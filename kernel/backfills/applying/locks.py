"""One process at a time works on a file: an advisory lock of the database session, which ends when the process dies."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection

from kernel.backfills.errors import NotAllowed
from kernel.backfills.models import BackfillRun
from kernel.backfills.terminal.stop_requests import Stop

RETRY_SECONDS = 1.0


def _lock_number(name: str) -> int:
    """PostgreSQL names an advisory lock by a signed 64-bit number."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def file_lock_number(*, tenant_id: UUID, command: str, file_digest: str) -> int:
    """The number of the lock of a file, for one tenant and one command."""
    return _lock_number(f"backfill/{tenant_id}/{command}/{file_digest}")


def run_lock_number(run: BackfillRun, share: int | None = None) -> int:
    """The number of the lock of a run's file, or of one share of it."""
    file_digest = run.file_digest if share is None else f"{run.file_digest}/{share}"
    return file_lock_number(tenant_id=run.tenant_id, command=run.command, file_digest=file_digest)


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """Takes the advisory lock of this name if it is free, for as long as the context is open; gives whether it was."""
    number = _lock_number(name)
    is_held = _execute("SELECT pg_try_advisory_lock(%s)", number)
    try:
        yield is_held
    finally:
        if is_held and connection.is_usable():
            _execute("SELECT pg_advisory_unlock(%s)", number)


@contextmanager
def hold_run_lock(run: BackfillRun, *, wait: bool, stop: Stop, share: int | None = None) -> Iterator[None]:
    """Hold the lock of the run's file, or of a share. If another session holds it: wait with `wait`, else raise NotAllowed."""
    number = run_lock_number(run, share)
    acquire(number, wait=wait, stop=stop)
    try:
        yield
    finally:
        # A lost connection has released the lock already.
        if connection.is_usable():
            _execute("SELECT pg_advisory_unlock(%s)", number)


def acquire(number: int, *, wait: bool, stop: Stop) -> None:
    """Take the advisory lock; with `wait`, try again every second until it is free.

    Raises NotAllowed if another session holds it and `wait` is false, Interrupted if a stop is requested while waiting.
    """
    while not _execute("SELECT pg_try_advisory_lock(%s)", number):
        if not wait:
            raise NotAllowed("Another process is working on this file for this tenant. Wait for it, or add --wait to start when it ends.")
        stop.check()
        time.sleep(RETRY_SECONDS)


def is_worked_on(run: BackfillRun) -> bool:
    """Whether a process holds the lock of the run's file. If not, a run in the state "running" was killed."""
    number = run_lock_number(run) & 0xFFFFFFFFFFFFFFFF
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = %s AND objid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [number >> 32, number & 0xFFFFFFFF],
        )
        return bool(cursor.fetchone()[0])


def _execute(statement: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [number])
        return bool(cursor.fetchone()[0])
