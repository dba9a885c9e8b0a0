"""The demo's web server: started, found ready, and stopped with all its workers, also those of a run that was killed."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from config.server_command import server_command

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
HOST = "127.0.0.1"
READY_SECONDS = 60
STOP_SECONDS = 10


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


@contextlib.contextmanager
def serving(*, port: int, var: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block is left. Raises DemoError if the server doesn't get ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UVICORN_")}
    with (var / "demo.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches this process alone, which then stops the workers in order.
        process = subprocess.Popen(  # noqa: S603
            server_command(host=HOST, port=port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    (var / "demo.pid").write_text(str(process.pid))
    try:
        wait_until_ready(process, port)
        yield process
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop_session(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        (var / "demo.pid").unlink(missing_ok=True)


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        connection.close()
        time.sleep(0.1)
    raise DemoError("the server did not get ready; its last words are in var/demo.log.")


def stop_leftovers(var: Path) -> None:
    """A run that was killed could not stop its server: do it now."""
    with contextlib.suppress(OSError, ValueError):
        stop_session(int((var / "demo.pid").read_text()))
        (var / "demo.pid").unlink()


def stop_session(session: int) -> None:
    """End this session's processes that work in the checkout: politely, then not. A number that has become another's is left alone."""
    members = session_members(session)
    leaders = [process for process in members if process.pid == session]
    # The first process stops its workers itself; workers without one are told directly.
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
