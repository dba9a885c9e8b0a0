"""The demo watches its programs: what ends is started again, or the demo ends and says why."""

import itertools
import sys
from types import SimpleNamespace

import pytest

from config.local.demo import server
from config.local.demo.server import DemoError, Program


@pytest.fixture
def printed(monkeypatch):
    """What the demo prints; it looks at its programs without a pause."""
    monkeypatch.setattr(server, "WATCH_SECONDS", 0.01)
    return []


def program(tmp_path, name, code):
    made = Program([sys.executable, "-c", code], tmp_path / f"{name}.log", {})
    made.start()
    return made


def test_a_web_server_that_ends_ends_the_demo(tmp_path, printed):
    web = program(tmp_path, "web", "pass")
    web.process.wait(10)
    with pytest.raises(DemoError, match=r"the server ended by itself; the last lines of var/demo.log say why"):
        server.watch(web, web, var=tmp_path, database=None, say=printed.append)


def test_a_worker_that_ends_is_started_again_and_not_for_ever(tmp_path, printed, monkeypatch):
    monkeypatch.setattr(server, "MAX_RESTARTS", 2)
    web, worker = program(tmp_path, "web", "import time; time.sleep(60)"), program(tmp_path, "worker", "print('started', flush=True)")
    try:
        with pytest.raises(DemoError, match=r"the worker ended again and again; the last lines of var/demo.worker.log say why"):
            server.watch(web, worker, var=tmp_path, database=None, say=printed.append)
    finally:
        web.process.kill()
    assert printed == ["The worker has ended; starting it again ..."] * 2
    assert worker.log.read_text() == "started\n" * 3


def test_a_database_that_ends_is_started_again(tmp_path, printed, monkeypatch):
    looks, started = itertools.count(), []
    monkeypatch.setattr(server.postgres, "is_running", lambda database: next(looks) != 1)
    monkeypatch.setattr(server.postgres, "start", started.append)
    web = SimpleNamespace(has_ended=lambda: bool(started))
    with pytest.raises(DemoError):
        server.watch(web, web, var=tmp_path, database=SimpleNamespace(cluster="the cluster"), say=printed.append)
    assert started == ["the cluster"]
    assert printed == ["PostgreSQL has ended; starting it again ..."]
