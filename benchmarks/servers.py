"""The web servers that are measured, each started with what its own documentation recommends for a machine like this one."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.environment import peers_python
from config.local.folders import ROOT, VAR
from config.serve import server_command

PEERS = Path(__file__).with_name("peers")
WORKERS = 2
READY_SECONDS = 60


@contextlib.contextmanager
def countinghouse(database_url: str, **settings: str) -> Iterator[str]:
    """As in production, its log line for each request included; `settings` are environment variables."""
    environment = {
        "DATABASE_URL": database_url,
        "ENVIRONMENT": "production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": "https://127.0.0.1",
        "SECURE_SSL_REDIRECT": "0",
        "DATABASE_POOL_SIZE": "8",
        **settings,
    }
    port = free_port()
    with _running("countinghouse", server_command(port=port, workers=WORKERS), port=port, environment=environment, folder=ROOT) as url:
        yield url


@contextlib.contextmanager
def countinghouse_of(checkout: Path, database_url: str) -> Iterator[str]:
    """The server of another checkout, started by that checkout's own benchmarks: an older commit to compare with."""
    (checkout / "var").mkdir(exist_ok=True)
    program = """
import sys
from benchmarks import servers
with servers.countinghouse(sys.argv[1]) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program, database_url], cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextlib.contextmanager
def fastapi(environment: Mapping[str, str]) -> Iterator[str]:
    """uvicorn with uvloop and httptools, its access log off."""
    port = free_port()
    command = [str(peers_python()), "-m", "uvicorn", "fastapi_peer:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"]
    with _running("fastapi", command, port=port, environment=environment, folder=PEERS) as url:
        yield url


@contextlib.contextmanager
def textbook(environment: Mapping[str, str]) -> Iterator[str]:
    """REST framework under granian, the fastest WSGI server tried, with the threads that served it best."""
    port = free_port()
    command = [str(peers_python()), "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--blocking-threads", "4", "textbook.wsgi:application"]
    with _running("textbook", command, port=port, environment=environment, folder=PEERS) as url:
        yield url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _running(name: str, command: list[str], *, port: int, environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    log = VAR / f"bench-{name}.log"
    inherited = {
        variable: value
        for variable, value in os.environ.items()
        if not variable.startswith(("UVICORN_", "GRANIAN_", "DJANGO_", "LEDGER_", "WEB_"))
    }
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        _wait_until_open(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            time.sleep(1)
            return
        time.sleep(0.1)
    raise RuntimeError(f"A server did not get ready; its last words are in {log}.")
