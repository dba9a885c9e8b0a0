"""The readiness probe: can a posting that is sent to this process be written now?

It asks on a connection of its own, because a full pool or one broken pooled connection doesn't mean that the database is down. The reply
names the part that fails; the database's own message can hold a host and a user's name, so it goes to the log alone.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

import psycopg
import structlog
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from config.database_roles import missing_privileges

log = structlog.get_logger(__name__)

# Seconds for the whole probe, whatever the database does.
PROBE_TIMEOUT = 2
# Never longer than an ordinary session may take: a statement_timeout set too low for postings must fail the probe as well.
LIMIT_STATEMENTS = """
SELECT set_config('statement_timeout', least(coalesce(nullif(setting::int, 0), %s), %s)::text, true)
FROM pg_settings WHERE name = 'statement_timeout'
"""
READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
# Two writes that leave no row behind: a record in the write-ahead log, flushed to disk by the commit, and a result of about 300 kB that
# doesn't fit in work_mem and so goes to a temporary file beside the tables. Either fails where the disk is full.
WRITE_LOG = "SELECT pg_logical_emit_message(true, 'countinghouse', 'readyz')"
WRITE_FILE = "SELECT count(*) FROM generate_series(1, 20000)"


def run_checks() -> dict[str, str]:
    """The parts that a posting needs, each 'ok' or what is wrong with it."""
    try:
        with _probe() as cursor:
            migrations = _check_migrations(cursor)
            return {"database": "ok", "migrations": migrations, "writes": _check_writes(cursor)}
    except psycopg.Error as error:
        log.warning("readiness_probe_failed", error=str(error).strip())
        return {"database": "unreachable", "migrations": "unknown", "writes": "unknown"}


@contextlib.contextmanager
def _probe() -> Iterator[psycopg.Cursor]:
    """A cursor in a transaction of its own. Raises psycopg.Error where the server doesn't answer within PROBE_TIMEOUT."""
    parameters = connection.get_connection_params() | {"connect_timeout": PROBE_TIMEOUT, "cursor_factory": psycopg.Cursor}
    with psycopg.connect(**parameters) as probe, _closed_after(probe, PROBE_TIMEOUT), probe.cursor() as cursor:
        cursor.execute(LIMIT_STATEMENTS, [PROBE_TIMEOUT * 1000, PROBE_TIMEOUT * 1000])
        yield cursor


@contextlib.contextmanager
def _closed_after(probe: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Shuts the connection's socket down after so long: a server or pooler that stops answering enforces no timeout of its own."""
    timer = threading.Timer(seconds, _shut_down, [probe])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(probe: psycopg.Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=probe.fileno()) as channel:
        try:
            channel.shutdown(socket.SHUT_RDWR)
        finally:
            # The connection owns the descriptor and closes it.
            channel.detach()


def _check_migrations(cursor: psycopg.Cursor) -> str:
    if cursor.execute("SELECT to_regclass('django_migrations') IS NULL").fetchone() == (True,):
        return "none applied"
    applied = set(cursor.execute("SELECT app, name FROM django_migrations").fetchall())
    missing = len(_released_migrations.names() - applied)
    return f"{missing} not applied" if missing else "ok"


def _check_writes(cursor: psycopg.Cursor) -> str:
    if cursor.execute(READ_ONLY).fetchone() == (True,):
        log.warning("readiness_probe_failed", error="the database is read-only (a standby, or default_transaction_read_only)")
        return "read-only"
    if missing := missing_privileges(cursor):
        log.warning("readiness_probe_failed", error=f"privileges are missing: {', '.join(missing)}; run manage.py grant_roles")
        return "privileges are missing"
    try:
        cursor.execute("SET LOCAL work_mem = '64kB'")
        cursor.execute(WRITE_FILE)
        cursor.execute(WRITE_LOG)
        cursor.connection.commit()
    except psycopg.Error as error:
        log.warning("readiness_probe_failed", error=str(error).strip())
        return "refused"
    return "ok"


class _ReleasedMigrations:
    """The migrations on disk, read once: they can't change under a running process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[tuple[str, str]] | None = None

    def names(self) -> set[tuple[str, str]]:
        with self._lock:
            if self._names is None:
                self._names = set(MigrationLoader(None).graph.nodes)
            return self._names


_released_migrations = _ReleasedMigrations()
