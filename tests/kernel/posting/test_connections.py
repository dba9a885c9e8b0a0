"""A statement outside a transaction takes a pooled connection for as long as it needs it, and gives it back as it should be."""

import time

import psycopg
import psycopg_pool
import pytest
from django.db import OperationalError, ProgrammingError, connection, connections, transaction

from kernel.ledger import queries
from kernel.ledger.database_errors import certainly_posted_nothing, ledger_error_of
from kernel.ledger.errors import Busy, LedgerUnavailable
from kernel.ledger.postgresql import connecting
from kernel.ledger.posting import execution

pytestmark = pytest.mark.django_db(transaction=True)
ONE = "SELECT pg_backend_pid() AS backend, current_setting('application_name') AS name"


@pytest.fixture
def pooled(monkeypatch):
    """A road to the same database with one pooled connection."""
    options = connection.settings_dict["OPTIONS"] | {"pool": {"min_size": 1, "max_size": 1, "timeout": 0.2}}
    road = type(connections["default"])(connection.settings_dict | {"CONN_MAX_AGE": 0, "OPTIONS": options})
    monkeypatch.setattr(execution, "connections", {"default": road})
    yield road
    road.close()
    road.close_pool()


def idle(road):
    return road.pool.get_stats()["pool_available"]


def test_a_pooled_connection_is_returned_as_soon_as_its_rows_are_read(pooled):
    first, second = (queries.fetch_rows(ONE)[0].backend for _ in range(2))
    assert first == second
    assert pooled.connection is None
    assert idle(pooled) == 1


def test_a_pooled_connection_is_returned_after_a_database_error(pooled):
    with pytest.raises(ProgrammingError):
        queries.fetch_rows("SELECT nothing_of_this_name")
    assert idle(pooled) == 1
    assert queries.fetch_rows(ONE)


def test_a_thread_with_an_open_connection_uses_that_one(pooled):
    with pooled.cursor() as cursor:
        cursor.execute("SET application_name = 'mine'")
    assert queries.fetch_rows(ONE)[0].name == "mine"
    assert pooled.connection is not None


def test_a_statement_on_a_connection_that_was_returned_within_a_transaction_is_committed(pooled):
    queries.fetch_rows(ONE)
    left = pooled.pool.getconn()
    left.autocommit = False
    pooled.pool.putconn(left)
    queries.fetch_rows("SELECT set_config('application_name', 'kept', false) AS name")
    assert queries.fetch_rows(ONE)[0].name == "kept"


def test_an_exhausted_pool_raises_a_database_error(pooled):
    queries.fetch_rows(ONE)
    taken = pooled.pool.getconn()
    try:
        with pytest.raises(OperationalError) as refused:
            queries.fetch_rows(ONE)
        assert isinstance(refused.value.__cause__, psycopg_pool.PoolTimeout)
    finally:
        pooled.pool.putconn(taken)


@pytest.mark.parametrize("pool", [None, {"min_size": 1, "max_size": 2, "timeout": 10}])
def test_a_role_that_the_database_refuses_is_an_error_at_once_with_the_databases_own_words(monkeypatch, pool):
    options = connection.settings_dict["OPTIONS"] | {"pool": pool}
    road = type(connections["default"])(connection.settings_dict | {"USER": "nobody_there", "CONN_MAX_AGE": 0, "OPTIONS": options})
    monkeypatch.setattr(execution, "connections", {"default": road})
    began = time.monotonic()
    for call in (lambda: queries.fetch_rows(ONE), road.cursor):
        with pytest.raises(OperationalError) as refused:
            call()
        assert str(refused.value) == 'role "nobody_there" does not exist'
        assert isinstance(ledger_error_of(refused.value), LedgerUnavailable)
        assert certainly_posted_nothing(refused.value)
    assert time.monotonic() - began < 2 * connecting.FIRST_WAIT_SECONDS + 1
    road.close_pool()


@pytest.mark.parametrize("pool", [None, {"min_size": 1, "max_size": 2, "timeout": 1.5}])
def test_where_no_server_answers_the_call_is_busy_and_nothing_was_sent(monkeypatch, pool):
    options = connection.settings_dict["OPTIONS"] | {"pool": pool}
    road = type(connections["default"])(
        connection.settings_dict | {"HOST": "127.0.0.1", "PORT": "1", "CONN_MAX_AGE": 0, "OPTIONS": options}
    )
    monkeypatch.setattr(execution, "connections", {"default": road})
    with pytest.raises(OperationalError) as refused:
        queries.fetch_rows(ONE)
    assert "Connection refused" in str(refused.value)
    assert isinstance(ledger_error_of(refused.value), Busy)
    assert certainly_posted_nothing(refused.value)
    road.close_pool()


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ('connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "x"', True),
        ('failed: FATAL:  role "x" is not permitted to log in', True),
        ('failed: FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "x", database "y", no encryption', True),
        ('failed: FATAL:  database "y" does not exist', True),
        ('failed: FATAL:  permission denied for database "y"', True),
        ("failed: FATAL:  the database system is starting up", False),
        ("failed: FATAL:  sorry, too many clients already", False),
        ("failed: FATAL:  terminating connection due to administrator command", False),
        ("failed: Connection refused\n\tIs the server running on that host?", False),
    ],
)
def test_only_a_refused_login_waits_for_an_operator(text, is_refused):
    assert connecting.NotConnected(psycopg.OperationalError(text)).is_refused == is_refused


def kill(road, *backends):
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM unnest(%s) AS pid", [list(backends)])
        assert cursor.fetchone() == (True,)


def test_a_pooled_connection_that_the_server_has_closed_is_replaced_before_use(pooled):
    """As after a restart of the database: nothing was sent, so no caller gets OutcomeUnknown."""
    for _ in range(2):
        backend = queries.fetch_rows(ONE)[0].backend
        kill(pooled, backend)
        assert queries.fetch_rows(ONE)[0].backend != backend


def test_a_threads_own_connection_that_the_server_has_closed_is_replaced_before_use(pooled):
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    kill(pooled, backend)
    assert queries.fetch_rows(ONE)[0].backend != backend


def test_inside_a_transaction_a_closed_connection_is_an_error(monkeypatch, pooled):
    """What the transaction did before is lost, so its caller must hear of it."""
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: pooled)
    with pytest.raises(OperationalError), transaction.atomic():
        kill(pooled, queries.fetch_rows(ONE)[0].backend)
        queries.fetch_rows(ONE)


def test_a_notice_to_an_idle_connection_does_not_close_it(pooled):
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
        cursor.execute("LISTEN something")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY something")
    assert queries.fetch_rows(ONE)[0].backend == backend


def test_djangos_own_queries_find_an_open_pooled_connection_after_a_restart(pooled):
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    pooled.close()
    kill(pooled, backend)
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != backend


def test_a_request_does_not_begin_with_a_persistent_connection_that_the_server_has_closed():
    lasting = type(connections["default"])(connection.settings_dict | {"CONN_MAX_AGE": 60})
    with lasting.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    kill(lasting, backend)
    lasting.close_if_unusable_or_obsolete()
    with lasting.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != backend
    lasting.close()
