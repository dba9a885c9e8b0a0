"""The demo's two programs, the web server and the worker: started, watched, and stopped, also those that a killed run left behind."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from config.local import postgres
from config.local.folders import Server
from config.serve import server_command

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
HOST = "127.0.0.1"
READY_SECONDS = 60
STOP_SECONDS = 10
WATCH_SECONDS = 1
# A worker loses its connection, and ends, each time PostgreSQL restarts.
MAX_RESTARTS = 20
PID_FILE = "demo.pid"


class DemoError(Exception):
    """The demo can't go on; the text is for a person and says what to do."""


def require_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise DemoError(f"port {port} is reserved for root: choose one above 1023, such as PORT=8001 bin/demo") from None
        except OSError:
            other = port + 1 if port < 65535 else port - 1
            raise DemoError(f"port {port} is taken by another program: choose another, such as PORT={other} bin/demo") from None


@dataclass
class Program:
    """One of the demo's processes, in a session of its own: Ctrl-C reaches bin/demo alone, which then stops them in order."""

    command: list[str]
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True, cwd=CHECKOUT
            )

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        if self.process is not None:
            stop_session(self.process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)


@contextlib.contextmanager
def serving(*, port: int, var: Path, database_url: str) -> Iterator[tuple[Program, Program]]:
    """Run the web server and the worker, as in production, until the block is left. Raises DemoError if the server doesn't get ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UVICORN_")} | {"DATABASE_URL": database_url}
    web = Program(server_command(host=HOST, port=port), var / "demo.log", environment)
    worker = Program([sys.executable, "manage.py", "run_worker"], var / "demo.worker.log", environment)
    for program in (web, worker):
        program.log.unlink(missing_ok=True)
    try:
        for program in (web, worker):
            program.start()
        note_processes(var, web, worker)
        wait_until_ready(web, port)
        yield web, worker
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for program in (web, worker):
            program.stop()
        (var / PID_FILE).unlink(missing_ok=True)


def note_processes(var: Path, *programs: Program) -> None:
    """Keeps the process numbers, so that the next run can stop what a killed one left running."""
    (var / PID_FILE).write_text("".join(f"{program.process.pid}\n" for program in programs if program.process))


def watch(web: Program, worker: Program, *, var: Path, database: Server | None, say: Callable[[str], None]) -> NoReturn:
    """Keep the demo running until Ctrl-C: starts the local PostgreSQL and the worker again when they end.

    Raises DemoError when the web server ends or the worker ends too often, LocalPostgresError when PostgreSQL doesn't start.
    """
    restarts = 0
    while True:
        if database is not None and not postgres.is_running(database):
            say("PostgreSQL has ended; starting it again ...")
            postgres.start(database.cluster)
        if web.has_ended():
            raise DemoError("the server ended by itself; the last lines of var/demo.log say why.")
        if worker.has_ended() and restarts == MAX_RESTARTS:
            raise DemoError("the worker ended again and again; the last lines of var/demo.worker.log say why.")
        if worker.has_ended():
            restarts += 1
            say("The worker has ended; starting it again ...")
            worker.start()
            note_processes(var, web, worker)
        time.sleep(WATCH_SECONDS)


def wait_until_ready(web: Program, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not web.has_ended() and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        connection.close()
        time.sleep(0.1)
    raise DemoError("the server did not get ready; the last lines of var/demo.log say why.")


def stop_leftovers(var: Path) -> None:
    """Stops what an earlier run, which was killed, left running."""
    with contextlib.suppress(OSError, ValueError):
        for line in (var / PID_FILE).read_text().splitlines():
            stop_session(int(line))
        (var / PID_FILE).unlink()


def stop_session(session: int) -> None:
    """Terminate the session's processes that work in the checkout, then kill those that remain. Other programs are not touched."""
    members = session_members(session)
    leaders = [process for process in members if process.pid == session]
    # The session's first process stops the others itself. Where it is gone, they are terminated directly.
    for process in leaders or members:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _gone, alive = psutil.wait_procs(members, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_SECONDS)


def session_members(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and Path(process.cwd()) == CHECKOUT and process.pid != os.getpid():
                found.append(process)
    return found
