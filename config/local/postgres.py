"""The zero-install PostgreSQL for development, tests and the demo: never for production.

Used only where DATABASE_URL is unset. The server listens on a Unix socket alone, and the last process that uses it stops it.
"""

import atexit
import contextlib
import fcntl
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg

from config.local.folders import MAJOR, MARKER, STATE, VAR, Cluster, LocalPostgresError, Server, locate

START_SECONDS = 60
# The same two roles as in production (docs/operations.md): one owns the database and migrates it, the other serves requests.
# Neither is a superuser, so a statement that needs one fails here before it fails in production.
OWNER_ROLE = "countinghouse_owner"
SERVICE_ROLE = "countinghouse"
DEVELOPMENT = Cluster(name="postgres", settings=("max_connections=200", "shared_buffers=256MB"))
# A test's data need not outlive a power cut: nothing here waits for the disk.
TESTS = Cluster(
    name="postgres-test",
    settings=(
        "max_connections=400",
        "shared_buffers=256MB",
        "fsync=off",
        # The tests measure plans on tables that were never analysed, as after a fast growth; autovacuum would analyse them at any moment.
        "autovacuum=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "log_min_messages=fatal",
        "log_min_error_statement=panic",
    ),
    throw_away=True,
)


def ensure_running(cluster: Cluster = DEVELOPMENT) -> str:
    """Start the server unless it runs already, set DATABASE_URL for this process and its children, and return it.

    The address logs in as the database's owner. Raises LocalPostgresError. With DATABASE_URL set, nothing is started.
    """
    if url := os.environ.get("DATABASE_URL"):
        return url
    with translated_faults():
        make_var()
        users = open_lock(f"{cluster.name}.users")
        fcntl.flock(users, fcntl.LOCK_SH)
        server = start(cluster)
        atexit.register(stop_if_unused, server, users, os.getpid())
        os.environ["DATABASE_URL"] = server.url("countinghouse", role=OWNER_ROLE)
    return os.environ["DATABASE_URL"]


def stop_if_unused(server: Server, users: int, pid: int) -> None:
    """Stop the server if it is not used: by no other process of this project, and no other connection."""
    if os.getpid() != pid:
        return
    with contextlib.suppress(OSError, psycopg.Error):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not has_other_connections(server):
            server.run("pg_ctl", "stop", "-D", str(server.data), "-m", "fast", "-w")
            remove_socket_folder(server)
    os.close(users)


def remove(cluster: Cluster) -> None:
    """Stop the server and delete its data: the next start begins with an empty database. Raises LocalPostgresError."""
    with translated_faults():
        make_var()
        users = open_lock(f"{cluster.name}.users")
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            delete(locate(cluster))
        except BlockingIOError:
            raise LocalPostgresError(f"Another process uses the database in var/{cluster.name}: stop it first.") from None
        finally:
            os.close(users)


@contextlib.contextmanager
def translated_faults() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise LocalPostgresError(
            f"No permission for {error.filename or 'another user'}: run this as the user who owns the checkout, or set DATABASE_URL."
        ) from error
    except (OSError, psycopg.Error) as error:
        raise LocalPostgresError(f"The local PostgreSQL can't be used: {' '.join(str(error).split())}") from error


def make_var() -> None:
    if not VAR.exists():
        VAR.mkdir(exist_ok=True)
        VAR.chmod(0o755)


def open_lock(name: str) -> int:
    """A file of its own to lock, in a mode that another user of the checkout can lock as well."""
    path = VAR / f"{name}.lock"
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def start(cluster: Cluster) -> Server:
    """Bring the server up and make its database; two starts at once wait for each other."""
    lock = open_lock(f"{cluster.name}.start")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = locate(cluster)
        try:
            bring_up(server)
        except LocalPostgresError:
            if not cluster.throw_away:
                raise
            delete(server)
            server = locate(cluster)
            bring_up(server)
    finally:
        os.close(lock)
    return server


def bring_up(server: Server) -> None:
    prepare_data(server)
    if not is_running(server):
        launch(server)
    wait_until_ready(server)


def prepare_data(server: Server) -> None:
    """Make the data directory, or see that this user and this version can use the one that is there."""
    if server.data.exists() and not any(server.data.iterdir() if os.access(server.data, os.R_OK) else [server.data]):
        server.data.rmdir()
    if not server.data.exists():
        create_data(server)
        return
    shown = f"var/{server.cluster.name}"
    owner = server.data.stat().st_uid
    if owner != (os.geteuid() if server.uid is None else server.uid):
        raise LocalPostgresError(f"{shown} belongs to another user (id {owner}): run this as that user, or delete the folder.")
    version_file = server.data / "PG_VERSION"
    if not version_file.exists() or not (server.data / "global" / "pg_control").exists():
        raise LocalPostgresError(f"{shown} holds no complete database: `bin/demo --fresh` deletes it and starts over.")
    version = version_file.read_text().strip()
    if version != MAJOR:
        raise LocalPostgresError(
            f"{shown} was written by PostgreSQL {version}, this one is {MAJOR}: move it away, or let `bin/demo --fresh` start over."
        )


def create_data(server: Server) -> None:
    """Create the data directory under another name and rename it when it is complete: a killed run leaves no incomplete one."""
    unfinished = server.data.with_name(f"{server.data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    if server.uid is not None and server.gid is not None:
        os.chown(unfinished, server.uid, server.gid)
    done = server.run(
        "initdb",
        "-D",
        str(unfinished),
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
        "--no-instructions",
        "--no-sync",
    )
    if done.returncode:
        raise LocalPostgresError(f"PostgreSQL could not make its data directory: {last_line(done.stdout)}")
    unfinished.rename(server.data)


def delete(server: Server) -> None:
    if (server.data / "postmaster.pid").exists():
        server.run("pg_ctl", "stop", "-D", str(server.data), "-m", "immediate", "-w")
    remove_socket_folder(server)
    shutil.rmtree(server.data, ignore_errors=True)
    if server.data.exists():
        raise LocalPostgresError(f"var/{server.cluster.name} can't be deleted: it belongs to another user.")
    (VAR / server.cluster.name).unlink(missing_ok=True)
    place = server.data.parent
    if place.parent == STATE and [path.name for path in place.iterdir()] == [MARKER]:
        shutil.rmtree(place)


def is_running(server: Server) -> bool:
    """Whether the process in postmaster.pid is this server. Removes the file if not: another process may have that number now."""
    pid_file = server.data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        if process.status() != psutil.STATUS_ZOMBIE and str(server.data) in process.cmdline():
            return True
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        return False
    pid_file.unlink(missing_ok=True)
    return False


def launch(server: Server) -> None:
    """Start the server. After a kill its last child processes may need a moment to end, so a failed start is tried again."""
    folder = server.socket_folder()
    if folder != server.data:
        folder.mkdir(mode=0o700, exist_ok=True)
        if server.uid is not None and server.gid is not None and folder.stat().st_uid == 0:
            os.chown(folder, server.uid, server.gid)
        if folder.stat().st_uid != (os.geteuid() if server.uid is None else server.uid):
            raise LocalPostgresError(f"{folder}, for the server's socket, belongs to another user: delete it, or move the checkout.")
    options = [part for setting in server.cluster.settings for part in ("-c", setting)]
    options += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    log = server.data / "log"
    deadline = time.monotonic() + START_SECONDS / 4
    while True:
        done = server.run(
            "pg_ctl", "start", "-D", str(server.data), "-l", str(log), "-w", "-t", str(START_SECONDS), "-o", shlex.join(options)
        )
        if done.returncode == 0:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    reason = last_line(log.read_text(errors="replace"), marks=("FATAL", "PANIC", "ERROR")) if log.exists() else last_line(done.stdout)
    raise LocalPostgresError(
        f"PostgreSQL did not start: {reason} (its log: var/{server.cluster.name}/log; `bin/demo --fresh` deletes the data and starts over)"
    )


def remove_socket_folder(server: Server) -> None:
    if server.socket_folder() != server.data:
        shutil.rmtree(server.socket_folder(), ignore_errors=True)


def wait_until_ready(server: Server) -> None:
    """Make the database once the server answers; a server found running may still be recovering from a kill."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(server.url("postgres"), autocommit=True, connect_timeout=5) as connection:
                make_database(connection, server)
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise LocalPostgresError(f"PostgreSQL runs but does not answer: {last_line(str(error))}") from error
        time.sleep(0.1)


def make_database(connection: psycopg.Connection[Any], server: Server) -> None:
    """Create the two roles and the owner's database where they are missing. Raises LocalPostgresError for a database of another owner."""
    roles = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
    for role in {OWNER_ROLE, SERVICE_ROLE} - roles:
        # The owner creates the tests' databases.
        connection.execute(f"CREATE ROLE {role} LOGIN {'CREATEDB' if role == OWNER_ROLE else ''}")
    # So that a test can take on the service's rights with SET ROLE; the owner may do all that the service may anyway.
    connection.execute(f"GRANT {SERVICE_ROLE} TO {OWNER_ROLE}")
    owner = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'countinghouse'",
    ).fetchone()
    if owner is None:
        connection.execute(f"CREATE DATABASE countinghouse OWNER {OWNER_ROLE}")
    elif owner != (OWNER_ROLE,):
        raise LocalPostgresError(
            f"The database in var/{server.cluster.name} belongs to the role {owner[0]}, not to {OWNER_ROLE}: "
            "`bin/demo --fresh` deletes it and starts over."
        )


def has_other_connections(server: Server) -> bool:
    """Whether other clients stay connected; those that have just gone need a moment to vanish from the list."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with psycopg.connect(server.url("postgres"), autocommit=True, connect_timeout=5) as connection:
        for _attempt in range(10):
            if connection.execute(query).fetchone() == (0,):
                return False
            time.sleep(0.1)
    return True


def last_line(text: str, marks: tuple[str, ...] = ()) -> str:
    """The last line that carries one of the marks, or the last of all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if any(mark in line for mark in marks)]
    return (marked or lines or ["no reason was given"])[-1]
