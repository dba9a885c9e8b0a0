"""New connections go to the process of a web server that has the fewest: two processes of uvicorn with a small application."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter

import pytest

from config.local.folders import ROOT
from config.web_server.connection_balance import NOT_ACCEPTING, ConnectionCounts, shared_counts
from tests.config.test_http_bounds import PATIENCE

PROGRAM = """
import os, sys
import uvicorn
from config.web_server.connection_balance import shared_counts
from config.web_server.http_protocol import BoundedHttpProtocol

async def application(scope, receive, send):
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})

if __name__ == "__main__":
    with shared_counts(2):
        uvicorn.run("pids:application", host="127.0.0.1", port=int(sys.argv[1]), workers=2,
                    loop="config.web_server.event_loop:BalancedLoop", http=BoundedHttpProtocol, ws="none", lifespan="off",
                    log_level="warning")
"""


@pytest.fixture
def port(tmp_path):
    (tmp_path / "pids.py").write_text(PROGRAM)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with subprocess.Popen([sys.executable, str(tmp_path / "pids.py"), str(free)], env=environment) as process:
        try:
            wait_for_processes(free, 2)
            yield free
        finally:
            process.terminate()


def wait_for_processes(port, number, without=()):
    """Until so many processes answer, none of them in `without`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            pids = set(pids_of(port, 8))
            if len(pids) == number and not pids & set(without):
                return
        time.sleep(0.1)
    raise AssertionError("the server doesn't answer")


def pids_of(port, connections):
    """The process of each of so many connections that are open together."""
    opened = [http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(connections)]
    try:
        for connection in opened:
            connection.connect()
        for connection in opened:
            connection.request("GET", "/")
        return [int(connection.getresponse().read()) for connection in opened]
    finally:
        for connection in opened:
            connection.close()


def most_on_one(port, connections):
    """Of five tries, the middle one: a process that gets no time for some milliseconds leaves its turn to the other."""
    tries = []
    for _ in range(5):
        tries.append(max(Counter(pids_of(port, connections)).values()))
        time.sleep(0.05)
    return sorted(tries)[2]


def test_connections_are_spread_over_the_processes_also_after_one_was_killed(port):
    assert most_on_one(port, 16) <= 10
    killed = pids_of(port, 1)[0]
    os.kill(killed, signal.SIGKILL)
    wait_for_processes(port, 2, without=[killed])
    assert most_on_one(port, 16) <= 10


def test_who_has_fewest_and_who_takes_over(monkeypatch):
    """Cells are locked by process, so a second one of this process would get the first's: the claims are made by hand."""
    with shared_counts(2):
        path = os.environ["CONNECTION_COUNTS_FILE"]
        one = ConnectionCounts(path)
        one.set(3)
        assert one.is_lowest()  # nobody else accepts
        monkeypatch.setattr(ConnectionCounts, "_claim", lambda self: 1)
        other = ConnectionCounts(path)
        other.set(2)
        assert other.is_lowest() and not one.is_lowest()
        other.set(3)
        assert other.is_lowest() and one.is_lowest()
        other.set(NOT_ACCEPTING)
        assert one.is_lowest() and not other.is_lowest()
    assert "CONNECTION_COUNTS_FILE" not in os.environ
