"""One migrated database for each run of the tests. Who needs it first makes it, the others copy it: seconds instead of half a minute."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from config.local import postgres
from config.local.folders import ROOT, Server, locate


def migrated_database() -> str:
    """The name of the database, in the tests' own PostgreSQL. Nobody connects to it, so that it can be copied at any time."""
    name = f"test_run_{os.environ['COUNTINGHOUSE_TEST_RUN']}_migrated"
    lock = postgres.open_lock("migrated")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                _migrate(connection, name)
    finally:
        os.close(lock)
    return name


def _migrate(connection: psycopg.Connection, name: str) -> None:
    """Under another name until it is complete."""
    unfinished = f"{name}_in_part"
    connection.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
    connection.execute(f'CREATE DATABASE "{unfinished}"')
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{unfinished}"))
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')


def restore_into(server: Server, database: str) -> None:
    """Make an empty database of another server like the migrated one, owners of tables and functions included."""
    source = locate(postgres.TESTS)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        dump = str(Path(folder) / "dump")
        copied = source.run("pg_dump", "--format=custom", "--compress=0", f"--file={dump}", source.url(migrated_database()))
        assert copied.returncode == 0, copied.stdout
        restored = server.run("pg_restore", "--exit-on-error", f"--dbname={server.url(database)}", dump)
        assert restored.returncode == 0, restored.stdout
