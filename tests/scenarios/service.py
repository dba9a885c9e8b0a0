"""A whole service of its own, a server and a PostgreSQL that a test may kill. Requests and commands use the service's database role."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from config.local import postgres
from config.local.demo.server import session_members
from config.local.postgres import OWNER_ROLE, SERVICE_ROLE
from config.serve import server_command
from tests.migrated import restore_into

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60


@dataclass
class Service:
    """Started with `start`, killed in parts, and brought back; `stop` ends it and deletes its data."""

    cluster: postgres.Cluster
    port: int
    postgres: Any = None
    process: subprocess.Popen[bytes] | None = None
    # Environment variables of the web server alone.
    web_settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def prepare(cls, name: str) -> "Service":
        """A new database with every table, migrated by its owner. fsync and the like stay on, as in production."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cluster = postgres.Cluster(name=name, settings=("max_connections=100", "shared_buffers=64MB"), throw_away=True)
        service = cls(cluster=cluster, port=port)
        service.start_postgres()
        if "COUNTINGHOUSE_TEST_SERVER" in os.environ:
            restore_into(service.postgres, "countinghouse")
        else:
            service.manage("migrate", "--verbosity=0", role=OWNER_ROLE)
        service.grant_roles()
        return service

    def grant_roles(self) -> str:
        return self.manage("grant_roles", "--owner", OWNER_ROLE, "--service", SERVICE_ROLE, role=OWNER_ROLE)

    def start_postgres(self) -> None:
        self.postgres = postgres.start(self.cluster)

    def environment(self, role: str = SERVICE_ROLE) -> dict[str, str]:
        return os.environ | {
            "DATABASE_URL": self.postgres.url("countinghouse", role=role),
            "ENVIRONMENT": "local",
            "LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }

    def manage(self, *arguments: str, role: str = SERVICE_ROLE, settings: dict[str, str] | None = None) -> str:
        """What a management command prints. Raises AssertionError with its error output where it fails."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment(role) | (settings or {}), check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_server(self) -> None:
        command = server_command(port=self.port)
        self.process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=self.environment() | self.web_settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + SECONDS
        reply = None
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, reply = self.call("GET", "/readyz")
                if status == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"the server did not get ready: {reply}")

    def kill_server(self) -> None:
        """kill -9 of the first process and every worker."""
        assert self.process is not None
        for member in session_members(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
        self.process.wait(10)

    def kill_postgres(self) -> None:
        """kill -9 of the postmaster and every backend: no checkpoint, no orderly end of a connection."""
        postmaster = int((self.postgres.data / "postmaster.pid").read_text().splitlines()[0])
        family = [psutil.Process(postmaster), *psutil.Process(postmaster).children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(family, timeout=10)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
        """One request on a connection of its own. Raises OSError, http.client.HTTPException when no reply comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, path, raw, {"Content-Type": "application/json"} | (headers or {}))
            reply = connection.getresponse()
            return reply.status, dict(reply.headers), json.loads(reply.read() or b"null")
        finally:
            connection.close()

    def post_until_answered(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        """Status and reply of a call that is repeated until the service answers with anything but 503, as a client with keys should."""
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, _, reply = self.call("POST", path, body, headers)
                if status != 503:
                    return status, reply
            time.sleep(0.1)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url("countinghouse")) as connection:
            return connection.execute(statement).fetchall()

    def execute(self, *statements: str, role: str = OWNER_ROLE) -> None:
        """Each statement in a transaction of its own, whatever the database's defaults forbid. Raises psycopg.Error."""
        options = "-c default_transaction_read_only=off -c statement_timeout=0"
        with psycopg.connect(self.postgres.url("countinghouse", role=role), autocommit=True, options=options) as connection:
            for statement in statements:
                connection.execute(statement)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill_server()
        postgres.delete(self.postgres)
        (postgres.VAR / f"{self.cluster.name}.start.lock").unlink(missing_ok=True)
