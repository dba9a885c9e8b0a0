"""The commands of docs/operations.md, taken from its text and run as they stand there; only host names and the port are this machine's."""

import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from config.local import postgres
from config.local.demo.server import session_members
from config.local.postgres import OWNER_ROLE, SERVICE_ROLE
from config.serve import server_command
from tests.scenarios.service import CHECKOUT, SECONDS
from tests.scenarios.three_calls import CALLS, CREDITS

TEXT = (CHECKOUT / "docs" / "operations.md").read_text()
HOST = "ledger.example.com"


def blocks(language):
    """The fenced blocks of one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


RELEASE, SERVE, WORK = blocks("sh")[:3]
[SETTINGS] = blocks("ini")


class Production:
    """A machine that followed the page: its settings file and its two processes."""

    def __init__(self, folder: Path) -> None:
        cluster = postgres.Cluster(f"postgres-docs-{os.getpid()}", settings=("max_connections=50", "shared_buffers=64MB"), throw_away=True)
        self.server = postgres.start(cluster)
        # The socket by another path: production refuses a database inside the checkout.
        self.database = folder / "database"
        self.database.symlink_to(self.server.socket_folder())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings = folder / "countinghouse.env"
        text = SETTINGS.replace("replace-this-with-the-output-of-openssl-rand-base64-48", secrets.token_urlsafe(48))
        self.settings.write_text(re.sub(r"://(\w+):[\w-]+@db\.example\.com/(\w+)", rf"://\1@/\2?host={self.database}", text))
        self.processes = []

    def shell(self, text):
        """The lines of a block, each after the settings, with this test's python, port and place of the settings file."""
        text = text.replace("./countinghouse.env", str(self.settings)).replace("--port 8000", f"--port {self.port}")
        lines = f"set -e; set -a; . {self.settings}; set +a\n{text}"
        inherited = ("PATH", "HOME", "LANG", "TMPDIR")
        return {"args": ["bash", "-c", lines], "cwd": CHECKOUT, "env": {name: os.environ[name] for name in inherited if name in os.environ}}

    def run(self, text):
        done = subprocess.run(**self.shell(text), check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, text):
        self.processes.append(
            subprocess.Popen(**self.shell(text), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        )
        return self.processes[-1]

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, path, raw, {"Host": HOST, "Content-Type": "application/json"} | headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def stop(self):
        for process in self.processes:
            for member in session_members(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGKILL)
            process.wait(10)
        postgres.delete(self.server)
        (postgres.VAR / f"{self.server.cluster.name}.start.lock").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    production = Production(tmp_path_factory.mktemp("production"))
    try:
        production.run(RELEASE)
        production.start(SERVE)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if production.call("GET", "/readyz")[0] == 200:
                    break
            time.sleep(0.1)
        yield production
    finally:
        production.stop()


def test_the_page_serves_as_the_demo_does():
    documented = SERVE.replace("\\\n", " ").split()
    assert documented[0] == ".venv/bin/python"
    assert sorted(documented[1:]) == sorted(server_command(port=8000)[1:])


def test_the_settings_table_names_every_setting_of_the_example():
    named = set(re.findall(r"`([A-Z_]{6,})`", TEXT))
    assert {line.split("=")[0] for line in SETTINGS.splitlines()} - named - {
        "OWNER_DATABASE_URL",
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
    } == set()


def test_each_call_is_answered_behind_the_proxy_and_redirected_without_it(production):
    [tenant] = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", production.run(".venv/bin/python manage.py create_tenant docs"))
    scopes = " ".join(f"--scope={call.ledger}:write" for call in CALLS)
    printed = production.run(f".venv/bin/python manage.py create_api_key docs {scopes}")
    key = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
    headers = {"Authorization": f"Bearer {key}", "On-Behalf-Of": tenant}
    for call in CALLS:
        status, reply = production.call("POST", call.path, call.body(), **headers, **{"X-Forwarded-Proto": "https"})
        # The published credits example draws on a grant that this tenant doesn't have.
        assert status == (400 if call is CREDITS else call.status), reply
        assert production.call("POST", call.path, call.body(), **headers)[0] == 301


def test_the_documented_worker_runs_the_jobs(production):
    worker = production.start(WORK)
    for line in worker.stdout:
        if "Success" in line:
            break
    else:
        pytest.fail("the worker ended before it had done a job")


def test_the_page_names_the_roles_that_the_local_server_has():
    [statements] = blocks("sql")
    assert re.findall(r"CREATE ROLE (\w+)", statements) == [OWNER_ROLE, SERVICE_ROLE]
