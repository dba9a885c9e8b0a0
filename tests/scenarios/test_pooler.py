"""The service behind a PgBouncer that gives each transaction another session, set up as docs/operations.md says."""

import os
import shutil
import socket
import subprocess
import time

import psycopg
import pytest

from tests.scenarios.service import Service
from tests.scenarios.three_calls import BILLING, CREDITS, GRANT, METERING

CONFIGURATION = """
[databases]
countinghouse = host={socket_folder} user=countinghouse
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture(scope="module")
def pooled():
    """A service whose web server connects through PgBouncer; its commands connect to PostgreSQL itself."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("NO PGBOUNCER HERE: the service was NOT tried behind it. Install it (Debian: apt-get install pgbouncer).")
    service = Service.prepare(f"postgres-pooler-{os.getpid()}")
    pooler = None
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = service.postgres
        configuration = server.data / "pgbouncer.ini"
        configuration.write_text(CONFIGURATION.format(socket_folder=server.socket_folder(), port=port))
        as_user = {} if server.uid is None else {"user": server.uid, "group": server.gid, "extra_groups": []}
        if as_user:
            os.chown(configuration, server.uid, server.gid)
        pooler = subprocess.Popen([program, "-q", str(configuration)], cwd="/", **as_user)
        service.web_settings = {
            "DATABASE_URL": f"postgresql://countinghouse@127.0.0.1:{port}/countinghouse",
            "DATABASE_BEHIND_POOLER": "1",
            "DATABASE_POOL_SIZE": "4",
        }
        service.start_server()
        yield service
    finally:
        service.stop()
        if pooler is not None:
            pooler.terminate()
            pooler.wait(10)


def test_postings_lists_and_checks_work_behind_it(pooled):
    pooled.manage("create_tenant", "pooled")
    scopes = [f"--scope={ledger}:{right}" for ledger in ("billing", "metering", "credits") for right in ("read", "write")]
    printed = pooled.manage("create_api_key", "pooled", *scopes)
    token = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
    tenant = str(pooled.rows("SELECT id FROM tenants_tenant WHERE slug = 'pooled'")[0][0])
    headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": tenant}
    status, _, grant = pooled.call("POST", "/credits", GRANT | {"sequenceAccountId": tenant}, headers)
    assert status == 201, grant
    for number in range(10):
        for call, facts in ((BILLING, {"reference_id": f"n-{number}"}), (METERING, {}), (CREDITS, {"grantId": grant["id"], "amount": "1"})):
            status, _, reply = pooled.call("POST", call.path, call.body(**facts), headers)
            assert status == call.status, reply
    for path in (
        "/v1/billing/transactions",
        "/v1/transactions",
        "/credit-transactions",
        "/v1/billing/statement?from=2026-01-01&to=2026-12-31",
    ):
        assert pooled.call("GET", path, headers=headers)[0] in {200, 404}
    pooled.manage("verify_ledgers")
    pooled.manage("check", "--database", "default", settings=pooled.web_settings)


def test_a_session_behind_it_waits_for_a_lock_no_longer_than_configured(pooled):
    with psycopg.connect(pooled.web_settings["DATABASE_URL"], prepare_threshold=None) as connection:
        assert connection.execute("SELECT current_setting('lock_timeout'), current_setting('TimeZone')").fetchone() == ("5s", "UTC")


def test_a_check_notices_that_the_database_has_no_lock_timeout(pooled):
    pooled.execute("ALTER DATABASE countinghouse RESET lock_timeout")
    time.sleep(0.1)
    try:
        with pytest.raises(AssertionError, match=r"countinghouse\.E015"):
            pooled.manage("check", "--database", "default", settings={"DATABASE_BEHIND_POOLER": "1"})
    finally:
        pooled.grant_roles()
