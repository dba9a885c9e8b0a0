"""The service logs in with the role of `manage.py grant_roles`: jobs and commands work, and nothing in the ledgers can be removed."""

import contextlib
import json
import os
import re
import time
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from config.local.postgres import OWNER_ROLE, SERVICE_ROLE
from tests.scenarios.service import Service
from tests.scenarios.three_calls import BILLING, CREDITS, GRANT, METERING

JOBS = ("close_stale_transactions", "expire_credits", "issue_recurring_credits", "expire_holds")
END_SESSIONS = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{SERVICE_ROLE}'"
LEDGER_TABLES = ("billing_transaction", "billing_wallet", "billing_dailytotal", "credits_grant", "credits_transaction", "metering_cost")


@pytest.fixture(scope="module")
def service():
    service = Service.prepare(f"postgres-roles-{os.getpid()}")
    try:
        service.start_server()
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def account(service):
    """The headers of a tenant that has posted to each ledger."""
    service.manage("create_tenant", "roles")
    scopes = [f"--scope={ledger}:{right}" for ledger in ("billing", "metering", "credits") for right in ("read", "write")]
    printed = service.manage("create_api_key", "roles", *scopes)
    token = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
    tenant = str(service.rows("SELECT id FROM tenants_tenant WHERE slug = 'roles'")[0][0])
    headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": tenant}
    status, _, grant = service.call("POST", "/credits", GRANT | {"sequenceAccountId": tenant}, headers)
    assert status == 201, grant
    for call, body in ((BILLING, BILLING.body()), (METERING, METERING.body()), (CREDITS, CREDITS.body(grantId=grant["id"], amount="1"))):
        status, _, reply = service.call("POST", call.path, body, headers)
        assert status == call.status, reply
    return headers


def refused_statements(service, statements):
    """Those of the statements that the service's role may not run."""
    refused = []
    for statement in statements:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            service.execute(statement, role=SERVICE_ROLE)
            continue
        refused.append(statement)
    return refused


def test_what_was_posted_can_be_read_and_proved(service, account):
    for path in ("/v1/billing/transactions", "/v1/transactions", "/credit-transactions"):
        assert service.call("GET", path, headers=account)[0] == 200
    service.manage("verify_ledgers")


@pytest.mark.parametrize("job", JOBS)
def test_every_job_works_as_the_service(service, account, job):
    service.manage(job)


def test_a_file_is_posted_undone_and_exported_as_the_service(service, account, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("type,reference_id,amount,occurred_at\ntopup,file-1,5,2025-01-02T09:00:00Z\n")
    planned = service.manage("backfill_billing_transactions", "roles", str(file), "--plan")
    run = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", planned)[0]
    assert "finished, 1 of 1 rows" in service.manage("backfill_billing_transactions", "--apply", run)
    assert "undone" in service.manage("backfill_billing_transactions", "--undo", run)
    service.manage("export_ledger", "roles", "all", "--format", "jsonl", "--output", str(tmp_path / "ledgers"))


@pytest.mark.parametrize("table", LEDGER_TABLES)
def test_the_service_deletes_nothing_in_the_ledgers(service, account, table):
    statements = [f"DELETE FROM {table}", f"TRUNCATE {table}", f"ALTER TABLE {table} DISABLE TRIGGER USER", f"DROP TABLE {table}"]
    assert refused_statements(service, statements) == statements


def test_the_service_deletes_no_tenant_key_threshold_or_price(service, account):
    tables = ("tenants_tenant", "tenants_apikey", "corrections_threshold", "metering_price", "backoffice_change", "billing_policy")
    statements = [f"DELETE FROM {table}" for table in tables]
    assert refused_statements(service, statements) == statements


def test_the_service_changes_the_changeable_columns_alone(service, account):
    statements = [
        "UPDATE billing_transaction SET amount = 1",
        "UPDATE billing_wallet SET currency = 'EUR'",
        "UPDATE credits_grant SET customer_id = 'x'",
        "UPDATE metering_cost SET fiat_amount = 1",
        "UPDATE tenants_apikey SET tenant_id = tenant_id",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'x', now())",
    ]
    assert refused_statements(service, statements) == statements
    assert refused_statements(service, ["UPDATE billing_wallet SET floor = floor", "UPDATE metering_cost SET is_active = is_active"]) == []


def test_a_table_of_the_next_release_can_be_used_before_grants_are_renewed(service):
    service.execute("CREATE TABLE next_release (id bigint GENERATED ALWAYS AS IDENTITY, note text)")
    use = ["INSERT INTO next_release (note) VALUES ('x')", "UPDATE next_release SET note = 'y'", "SELECT * FROM next_release"]
    try:
        assert refused_statements(service, [*use, "DELETE FROM next_release"]) == ["DELETE FROM next_release"]
    finally:
        service.execute("DROP TABLE next_release")


def test_granting_again_changes_nothing_and_takes_back_what_was_added(service):
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
    before = service.rows(rights)
    service.execute(f"GRANT DELETE ON billing_wallet TO {SERVICE_ROLE}")
    service.grant_roles()
    assert service.rows(rights) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("owner", "service_role", "message"),
    [
        (OWNER_ROLE, OWNER_ROLE, "are the same role"),
        (OWNER_ROLE, "nobody_there", "There is no role nobody_there: make it with CREATE ROLE"),
        (OWNER_ROLE, "postgres", "postgres is a superuser or a member"),
        (SERVICE_ROLE, "pg_monitor", f"belongs to {OWNER_ROLE}, not to {SERVICE_ROLE}"),
    ],
)
def test_roles_that_protect_nothing_are_refused(owner, service_role, message):
    with pytest.raises(CommandError, match=message):
        call_command("grant_roles", owner=owner, service=service_role)


@pytest.mark.parametrize(
    ("broken", "mended", "outcome"),
    [
        ("ALTER DATABASE countinghouse SET default_transaction_read_only = on", "RESET default_transaction_read_only", "read-only"),
        ("ALTER DATABASE countinghouse SET temp_file_limit = '64kB'", "RESET temp_file_limit", "refused"),
    ],
)
def test_readiness_notices_a_database_that_takes_no_writes(service, account, broken, mended, outcome):
    service.execute(broken, role="postgres")
    try:
        status, _, reply = service.call("GET", "/readyz")
    finally:
        service.execute(f"ALTER DATABASE countinghouse {mended}", role="postgres")
    assert (status, reply) == (503, {"status": "unavailable", "checks": {"database": "ok", "migrations": "ok", "writes": outcome}})
    assert service.call("GET", "/readyz")[0] == 200


@pytest.mark.parametrize(
    "revoked",
    [
        "INSERT ON billing_transaction",
        "EXECUTE ON FUNCTION billing_post(uuid, jsonb)",
        "USAGE ON SEQUENCE procrastinate_jobs_id_seq",
    ],
)
def test_readiness_notices_a_missing_grant(service, account, revoked):
    service.execute(f"REVOKE {revoked} FROM PUBLIC, {SERVICE_ROLE}")
    try:
        status, _, reply = service.call("GET", "/readyz")
    finally:
        service.grant_roles()
    assert (status, reply["checks"]["writes"]) == (503, "privileges are missing")
    assert service.call("GET", "/readyz")[0] == 200


def test_readiness_notices_a_statement_timeout_that_no_posting_meets(service, account):
    service.execute("ALTER DATABASE countinghouse SET statement_timeout = 1")
    try:
        status, _, reply = service.call("GET", "/readyz")
    finally:
        service.execute("ALTER DATABASE countinghouse RESET statement_timeout")
    assert (status, reply["status"]) == (503, "unavailable")


@contextlib.contextmanager
def role_settings(service, broken, mended):
    """New sessions of the service have the setting; those that exist are ended."""
    service.execute(broken, END_SESSIONS, role="postgres")
    try:
        yield
    finally:
        service.execute(mended, END_SESSIONS, role="postgres")
        for _ in range(100):
            if service.call("GET", "/readyz")[0] == 200:
                break
            time.sleep(0.1)


def posts(service, account):
    """The status, the seconds and the reply of one posting of each ledger, and of a batch and a list."""
    replies = []
    calls = [
        ("POST", BILLING.path, BILLING.body() | {"reference_id": str(uuid4())}),
        ("POST", METERING.path, METERING.body()),
        ("POST", CREDITS.path, CREDITS.body(grantId=str(uuid4()), amount="1")),
        ("POST", f"{BILLING.path}/batch", {"transactions": [BILLING.body() | {"reference_id": str(uuid4())}]}),
        ("GET", BILLING.path, None),
    ]
    for method, path, body in calls:
        began = time.monotonic()
        status, _, reply = service.call(method, path, body, account)
        replies.append((status, time.monotonic() - began, json.dumps(reply)))
    return replies


def test_a_role_that_may_not_log_in_makes_calls_unavailable_at_once(service, account):
    """Nothing was sent to the database, so no caller waits for it or reads that the outcome is unknown."""
    rows = service.rows("SELECT count(*) FROM billing_transaction")
    with role_settings(service, f"ALTER ROLE {SERVICE_ROLE} NOLOGIN", f"ALTER ROLE {SERVICE_ROLE} LOGIN"):
        replies = posts(service, account)
    for status, seconds, reply in replies:
        assert (status, "can't record anything at present" in reply) == (503, True), reply
        assert seconds < 3
    assert service.rows("SELECT count(*) FROM billing_transaction") == rows
    assert service.call("GET", BILLING.path, headers=account)[0] == 200


@pytest.mark.parametrize("table", ["tenants_apikey", "billing_wallet"])
def test_a_statement_that_runs_into_its_timeout_was_rolled_back_and_the_call_is_unavailable(service, account, table):
    """The table is locked: the statement that needs it is cancelled, be it the look for the key or the posting itself."""
    timeout = f"ALTER ROLE {SERVICE_ROLE} SET statement_timeout = 1000"
    body = BILLING.body() | {"reference_id": table}
    with role_settings(service, timeout, f"ALTER ROLE {SERVICE_ROLE} RESET statement_timeout"):
        if table == "tenants_apikey":
            # The processes remember a key for some seconds.
            time.sleep(settings.API_KEY_CACHE_SECONDS + 0.5)
        with psycopg.connect(service.postgres.url("countinghouse", role=OWNER_ROLE)) as holder:
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            status, headers, reply = service.call("POST", BILLING.path, body, account)
            assert (status, "can't record anything at present" in json.dumps(reply)) == (503, True), reply
            assert headers["retry-after"]
    assert service.rows(f"SELECT count(*) FROM billing_transaction WHERE reference_id = '{table}'") == [(0,)]
    status, _, reply = service.call("POST", BILLING.path, body, account)
    assert status == BILLING.status, reply
