"""The tests run on a real PostgreSQL: the local throw-away one, or that in DATABASE_URL. Several runs at once don't share a database.

They connect as the database's owner, a role without superuser rights, as production migrates: a migration or a query that needs a superuser
fails here. tests/scenarios runs a whole server as the service's role.
"""

import os

import hypothesis
import psutil
import psycopg
import pytest

from config.local import postgres

# The process number of the run's first process; its pytest-xdist workers inherit it.
RUN = os.environ.setdefault("COUNTINGHOUSE_TEST_RUN", str(os.getpid()))
OWN_SERVER = not os.environ.get("DATABASE_URL") or "COUNTINGHOUSE_TEST_SERVER" in os.environ


def _start_server() -> None:
    os.environ["ENVIRONMENT"] = "local"
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["WEBHOOK_SIGNING_KEY"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    os.environ["PAYMENT_NETWORK_ALIASES"] = "sapiom:main"
    try:
        postgres.ensure_running(postgres.TESTS)
    except postgres.LocalPostgresError as error:
        pytest.exit(str(error), returncode=2)
    if OWN_SERVER and "COUNTINGHOUSE_TEST_SERVER" not in os.environ:
        os.environ["COUNTINGHOUSE_TEST_SERVER"] = "own"
        _drop_databases_of_dead_runs()


def _drop_databases_of_dead_runs() -> None:
    query = r"SELECT datname FROM pg_database WHERE datname LIKE 'test\_run\_%' AND pg_get_userbyid(datdba) = current_user"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for (name,) in connection.execute(query).fetchall():
            if not psutil.pid_exists(int(name.split("_")[2])):
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


_start_server()

import django  # noqa: E402
from django.conf import settings  # noqa: E402 - the settings read DATABASE_URL, set above
from django.db import connection  # noqa: E402
from django.test import TransactionTestCase  # noqa: E402

if OWN_SERVER:
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = f"test_run_{RUN}"
django.setup()

from kernel.tenants import callers  # noqa: E402
from tests.database_clock import DatabaseClock, follow_time_machine  # noqa: E402
from tests.flush import Flush  # noqa: E402
from tests.migrated import migrated_database  # noqa: E402
from tests.rows_read import (  # noqa: E402
    analysed_when_empty,
    analysed_when_small,
    analysed_with_small_tenants,
    never_analysed,
    wait_for_closed_sessions,
)

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
# bin/mutate wants to know whether a test fails, not the smallest example of how.
hypothesis.settings.register_profile("mutate", deadline=None, phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate))
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "local"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """Each process's database is a copy of the one that the first of them migrates."""
    if OWN_SERVER and "PYTEST_XDIST_WORKER" in os.environ:
        settings.DATABASES["default"]["TEST"]["TEMPLATE"] = migrated_database()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Remembers the rows that migrations insert, so that the flush after a test with real transactions restores them."""
    with django_db_blocker.unblock():
        flush = Flush(connection)
        clock = DatabaseClock({**connection.get_connection_params(), "cursor_factory": psycopg.Cursor})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: flush())
        follow_time_machine(clock, patch)
        yield
    clock.close()


@pytest.fixture(autouse=True)
def empty_key_cache():
    """Empties the process's cache of API keys before and after each test: the next test's tenants are other rows."""
    callers.clear_key_cache()
    yield
    callers.clear_key_cache()


@pytest.fixture(params=[never_analysed, analysed_when_empty, analysed_when_small, analysed_with_small_tenants])
def planner_knows(request, transactional_db):
    """Sets the planner's statistics of some tables, on a new connection: the old one holds plans cached by earlier tests."""
    connection.close()
    with connection.cursor() as cursor:
        wait_for_closed_sessions(cursor)
        # Plans small tables as large ones are planned: by index.
        cursor.execute("SET enable_seqscan = off")
    yield request.param
    connection.close()


@pytest.fixture
def boss(django_user_model):
    """A superuser: what is refused to this user is refused to everybody."""
    return django_user_model.objects.create_superuser("boss", password="boss-password-1")


@pytest.fixture
def office(client, boss):
    """A browser logged in to the admin as the superuser."""
    client.force_login(boss)
    return client
