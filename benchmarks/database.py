"""The PostgreSQL that is measured: the embedded one in a cluster of its own, durable as in production, on this disk or a slower one."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import psycopg

from config.local import postgres
from config.local.folders import VAR, Cluster, Server, locate

CLUSTER = Cluster(
    name="postgres-bench",
    settings=(
        "max_connections=300",
        "shared_buffers=1GB",
        "max_wal_size=8GB",
        "checkpoint_timeout=15min",
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
    ),
)
SLOW_DISK = Path(__file__).with_name("slow_disk.c")


class NotHere(Exception):
    """This machine lacks what a path needs; the text says what."""


class Database:
    """One server, started and stopped by this run, and the databases in it."""

    def __init__(self) -> None:
        postgres.make_var()
        self.server: Server = locate(CLUSTER)
        self.is_slow = False

    def start(self, *, slow: bool = False) -> None:
        """Run the server on this machine's disk or, `slow`, on one that takes 2 ms for each flush. Raises NotHere."""
        library = self._slow_library() if slow else None
        postgres.prepare_data(self.server)
        self.stop()
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        folder = self.server.socket_folder()
        if folder != self.server.data:
            folder.mkdir(mode=0o700, exist_ok=True)
            if self.server.uid is not None and self.server.gid is not None:
                os.chown(folder, self.server.uid, self.server.gid)
        options = [part for setting in CLUSTER.settings for part in ("-c", setting)]
        options += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        command = [str(self.server.programs / "pg_ctl"), "start", "-D", str(self.server.data), "-l", str(self.server.data / "log"), "-w"]
        user = {} if self.server.uid is None else {"user": self.server.uid, "group": self.server.gid, "extra_groups": []}
        subprocess.run(  # noqa: S603
            [*command, "-o", shlex.join(options)], check=True, cwd="/", env=environment, stdout=subprocess.DEVNULL, **user
        )
        self.is_slow = slow

    def stop(self) -> None:
        self.server.run("pg_ctl", "stop", "-D", str(self.server.data), "-m", "fast", "-w")

    def url(self, name: str) -> str:
        return self.server.url(name)

    def fresh(self, name: str) -> str:
        """An empty database of this name; returns its address."""
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.server.url(name)

    def exists(self, name: str) -> bool:
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def settle(self, name: str) -> None:
        """Statistics for the planner, and no checkpoint left over from the seeding."""
        with psycopg.connect(self.server.url(name), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def program(self, name: str) -> str:
        return str(self.server.programs / name)

    def _slow_library(self) -> Path:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise NotHere("a slow disk is simulated by a few lines of C, and no C compiler (gcc) was found")
        # Beside the programs that load it: their user must be able to read it.
        library = self.server.data.parent / "countinghouse_slow_disk.so"
        subprocess.run(  # noqa: S603
            [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SLOW_DISK), "-ldl"], check=True
        )
        library.chmod(0o755)
        return library


__all__ = ["VAR", "Database", "NotHere"]
