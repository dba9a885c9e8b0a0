"""What Django still does around each request that is served, in a process as it is started."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

PROGRAM = """
import json
from config.wsgi import application
from django.core import signals
receivers_of = {}
for name in ("request_started", "request_finished"):
    receivers_of[name] = sorted(receiver().__name__ for _, receiver, *_ in getattr(signals, name).receivers)
print(json.dumps(receivers_of))
"""


@pytest.mark.parametrize(("pool", "at_the_start"), [("8", []), ("0", ["close_old_connections"])])
def test_a_connection_is_looked_at_where_it_may_have_grown_old(pool, at_the_start):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_POOL_SIZE": pool, "DEBUG": "0"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {"request_started": at_the_start, "request_finished": ["close_old_connections"]}
