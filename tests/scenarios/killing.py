"""A worker that a supervisor would start again, and kill -9 of the parts of a service, for campaigns."""

import contextlib
import subprocess
import sys
import threading
import time

from config.local import postgres
from tests.scenarios.service import CHECKOUT


class Worker:
    """`manage.py run_worker`, started again whenever it has ended, as a supervisor does."""

    def __init__(self, service):
        self.service, self.stopping, self.process = service, False, None
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stopping:
            if self.process is None or self.process.poll() is not None:
                environment = self.service.environment() | self.service.web_settings
                command = [sys.executable, "manage.py", "run_worker"]
                self.process = subprocess.Popen(
                    command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            time.sleep(0.2)

    def kill(self):
        if self.process is not None:
            self.process.kill()

    def stop(self):
        self.stopping = True
        self.thread.join(5)
        self.kill()


def kill(what, service, worker):
    if what == "worker":
        worker.kill()
    elif what == "server":
        service.kill_server()
        start_server(service)
    else:
        service.kill_postgres()
        service.start_postgres()


def start_server(service):
    """On a busy machine the first start may take longer than a start is waited for."""
    for _ in range(4):
        with contextlib.suppress(TimeoutError):
            service.start_server()
            return
        service.kill_server()
        if not postgres.is_running(service.postgres):
            service.start_postgres()
    raise TimeoutError("the server did not get ready")
