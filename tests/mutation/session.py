"""Running tests in a copy of the checkout, in pytest sessions that stay open (plugin.py), on one PostgreSQL."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from config.local import postgres
from tests.architecture.file_rules import committed_files
from tests.mutation.changes import ROOT

COPIES = ROOT / "var" / "mutate"
STARTING_SECONDS = 300
# How long a test may take once the time for a change is over.
LAST_TEST_SECONDS = 120


class SessionEnded(Exception):
    """pytest ended, or a test didn't come to an end; the text says which."""


class Checkout:
    """A copy of the tracked files as they are now: edits in the checkout don't disturb a run, and a killed run leaves no change in it."""

    def __init__(self) -> None:
        self.root = COPIES / str(os.getpid())
        for old in COPIES.glob("[0-9]*"):
            # A copy, or the log of a session: both begin with the number of their run's process.
            if not psutil.pid_exists(int(re.split(r"\D", old.name)[0])):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for path in committed_files():
            target = self.root / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        (self.root / ".venv").symlink_to((ROOT / ".venv").resolve())

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @contextmanager
    def changed(self, file: str, text: str) -> Iterator[None]:
        path = self.root / file
        original = path.read_text()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, original)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # A file of the same size that is changed within a second would be taken for the compiled one.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()


class TestSession:
    """One pytest process in the copy. It collects `tests` and runs those that it is asked for."""

    __test__ = False

    def __init__(self, checkout: Checkout, tests: Iterable[str], *, database: str, fresh: bool) -> None:
        self.database = database
        self.log = COPIES / f"{database}.log"
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        environment = os.environ | {
            "COUNTINGHOUSE_TEST_RUN": database,
            # The parent process keeps the server running, and drops the databases of runs that have ended.
            "COUNTINGHOUSE_TEST_SERVER": "mutate",
            "HYPOTHESIS_PROFILE": "mutate",
            # All of them, not the share that a run of the suite takes.
            "INTERLEAVINGS": "all",
            "MUTATION_REQUESTS": str(requests),
            "MUTATION_REPLIES": str(replies),
        }
        files = sorted({test.partition("::")[0] for test in tests})
        # The order is bin/mutate's own; the other two cost time, and pytest-playwright renames every test by its browser.
        off = [part for plugin in ("randomly", "schemathesis", "playwright") for part in ("-p", f"no:{plugin}")]
        command = [".venv/bin/python", "-m", "pytest", "-q", *off, "-p", "tests.mutation.plugin", "--reuse-db"]
        command += [*(["--create-db"] if fresh else []), *(file for file in files if (checkout.root / file).exists())]
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=checkout.root, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=(requests, replies)
            )
        os.close(requests)
        os.close(replies)
        self._lines = os.fdopen(self._replies)

    def run(self, tests: Iterable[str], *, likely: Iterable[str] = (), seconds: float = STARTING_SECONDS) -> dict[str, Any]:
        """The plugin's reply. Raises SessionEnded, after which this session is of no use."""
        request = {"tests": list(tests), "likely": list(likely), "seconds": seconds}
        try:
            os.write(self._requests, (json.dumps(request) + "\n").encode())
        except BrokenPipeError:
            raise SessionEnded(f"pytest ended, see {self.log.relative_to(ROOT)}") from None
        # The first request also waits for Django's start and the database.
        ready, _, _ = select.select([self._lines], [], [], seconds + STARTING_SECONDS + LAST_TEST_SECONDS)
        line = self._lines.readline() if ready else ""
        if line:
            return json.loads(line)
        if ready:
            raise SessionEnded(f"pytest ended, see {self.log.relative_to(ROOT)}")
        self._process.kill()
        raise SessionEnded(f"a test didn't end within {seconds + LAST_TEST_SECONDS:.0f} s")

    def close(self) -> None:
        os.close(self._requests)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._lines.close()


class Database:
    """The test database of a session, in which SQL functions are replaced."""

    def __init__(self, name: str) -> None:
        self.url = os.environ["DATABASE_URL"].replace("/countinghouse?", f"/test_run_{name}?")

    @contextmanager
    def changed(self, text: str, original: str) -> Iterator[None]:
        """Raises psycopg.Error where PostgreSQL refuses the text."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(text.encode())
            try:
                yield
            finally:
                connection.execute(original.encode())


def start_server() -> None:
    postgres.ensure_running(postgres.TESTS)
