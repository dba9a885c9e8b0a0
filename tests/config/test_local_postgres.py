"""The local PostgreSQL after everything that can have happened to it: a repair, or one line that says what to do."""

import contextlib
import fcntl
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from config.local import folders, postgres
from config.local.folders import Cluster, LocalPostgresError, Server

TRY = Cluster(name="postgres", settings=("max_connections=20", "shared_buffers=8MB", "fsync=off"))
THROW_AWAY = Cluster(name="postgres", settings=TRY.settings, throw_away=True)


@pytest.fixture
def var(monkeypatch):
    """A folder in the place of var/; inside the checkout, because the server's user must be able to reach it."""
    folder = folders.ROOT / "var" / f"try-{os.getpid()}"
    folder.mkdir(parents=True)
    yield from in_place_of_var(folder, monkeypatch)


@pytest.fixture
def long_var(monkeypatch):
    """A folder whose path no socket can have."""
    folder = folders.ROOT / "var" / f"try-{os.getpid()}" / ("long" * 25)
    folder.mkdir(parents=True)
    yield from in_place_of_var(folder, monkeypatch)


def in_place_of_var(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(folders, "VAR", folder)
    monkeypatch.setattr(postgres, "VAR", folder)
    yield folder
    with contextlib.suppress(LocalPostgresError):
        postgres.remove(TRY)
    shutil.rmtree(folders.ROOT / "var" / f"try-{os.getpid()}")


def postmaster(server: Server) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def write_note(server: Server) -> None:
    with psycopg.connect(server.url("countinghouse")) as connection:
        connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")


def read_note(server: Server) -> str:
    with psycopg.connect(server.url("countinghouse")) as connection:
        return connection.execute("SELECT text FROM note").fetchone()[0]


def kill(server: Server) -> None:
    process = psutil.Process(postmaster(server))
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def test_a_second_start_finds_the_first(var):
    server = postgres.start(TRY)
    number = postmaster(server)
    assert postmaster(postgres.start(TRY)) == number


def test_two_starts_at_once_make_one_server(var):
    with ThreadPoolExecutor(max_workers=2) as pool:
        servers = list(pool.map(postgres.start, [TRY, TRY]))
    assert servers[0] == servers[1]
    write_note(servers[0])
    assert read_note(servers[1]) == "kept"


def test_a_killed_server_is_started_again_with_its_data(var):
    server = postgres.start(TRY)
    write_note(server)
    with psycopg.connect(server.url("countinghouse")) as connection:
        connection.execute("CHECKPOINT")
    kill(server)
    assert read_note(postgres.start(TRY)) == "kept"


def test_a_pid_file_that_names_another_process_is_no_server(var):
    server = postgres.start(TRY)
    write_note(server)
    kill(server)
    file = server.data / "postmaster.pid"
    file.write_text("\n".join([str(os.getpid()), *file.read_text().splitlines()[1:]]))
    assert read_note(postgres.start(TRY)) == "kept"


def test_the_last_process_that_ends_stops_the_server(var):
    server = postgres.start(TRY)
    first, second = postgres.open_lock("postgres.users"), postgres.open_lock("postgres.users")
    for users in (first, second):
        fcntl.flock(users, fcntl.LOCK_SH)
    postgres.stop_if_unused(server, first, os.getpid())
    assert psutil.pid_exists(postmaster(server))
    postgres.stop_if_unused(server, second, os.getpid())
    assert not (server.data / "postmaster.pid").exists()


def test_a_server_with_a_connection_is_left_running(var):
    server = postgres.start(TRY)
    users = postgres.open_lock("postgres.users")
    with psycopg.connect(server.url("countinghouse")):
        postgres.stop_if_unused(server, users, os.getpid())
        assert psutil.pid_exists(postmaster(server))


def test_a_path_too_long_for_a_socket_is_no_hindrance(long_var):
    server = postgres.start(TRY)
    assert len(os.fsencode(server.socket_folder() / folders.SOCKET_NAME)) <= folders.SOCKET_PATH_LIMIT
    write_note(server)
    assert read_note(server) == "kept"


def test_an_empty_folder_becomes_the_data_directory(var):
    (var / "postgres").mkdir()
    write_note(postgres.start(TRY))


def test_an_incomplete_data_directory_is_reported(var):
    (var / "postgres").mkdir()
    (var / "postgres" / "postgresql.conf").touch()
    give_to_server(var / "postgres")
    with pytest.raises(
        LocalPostgresError, match=r"^var/postgres holds no complete database: `bin/demo --fresh` deletes it and starts over\.$"
    ):
        postgres.start(TRY)


def test_an_unfinished_data_directory_is_no_hindrance(var):
    (var / "postgres.new").mkdir()
    (var / "postgres.new" / "PG_VERSION").touch()
    write_note(postgres.start(TRY))


def test_data_of_another_version_is_reported_and_kept(var):
    old = older_data(var)
    with pytest.raises(LocalPostgresError, match=r"was written by PostgreSQL 12, this one is \d+: move it away, or let"):
        postgres.start(TRY)
    assert old.exists()


def test_throw_away_data_of_another_version_is_made_anew(var):
    older_data(var)
    write_note(postgres.start(THROW_AWAY))


def test_fresh_removes_what_is_broken(var):
    older_data(var)
    postgres.remove(TRY)
    write_note(postgres.start(TRY))


def test_data_in_use_is_not_removed(var):
    server = postgres.start(TRY)
    users = postgres.open_lock("postgres.users")
    fcntl.flock(users, fcntl.LOCK_SH)
    with pytest.raises(LocalPostgresError, match=r"^Another process uses the database in var/postgres: stop it first\.$"):
        postgres.remove(TRY)
    os.close(users)
    write_note(server)


def test_another_database_is_left_to_its_owner(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://ledger@db.example.com/ledger")
    assert postgres.ensure_running(TRY) == "postgresql://ledger@db.example.com/ledger"


def older_data(var: Path) -> Path:
    data = var / "postgres"
    (data / "global").mkdir(parents=True)
    (data / "global" / "pg_control").touch()
    (data / "PG_VERSION").write_text("12\n")
    give_to_server(data)
    return data


def give_to_server(data: Path) -> None:
    if os.geteuid() == 0:
        account = folders.server_account(data)
        os.chown(data, account.pw_uid, account.pw_gid)
