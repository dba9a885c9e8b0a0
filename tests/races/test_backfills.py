"""A backfill that is killed, stopped, paused or started twice brings every row in once; its memory is the same for any number of rows."""

import os
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from backoffice.integrity.checks import LEDGERS, checks_of
from billing.models import Transaction, Wallet
from billing.services import record_transaction
from kernel.backfills import services
from kernel.backfills.applying.locks import is_worked_on
from kernel.backfills.applying.pacing import count_waiting
from kernel.backfills.models import BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)
COMMAND = "backfill_billing_transactions"
ROWS = 3000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tenant(transactional_db):
    return TenantFactory(slug="acme")


@pytest.fixture
def run(tenant, tmp_path):
    """A planned run of three thousand rows."""
    path = write(tmp_path / "history.csv", ROWS)
    call_command(COMMAND, "acme", str(path), "--plan", "--json", stdout=StringIO())
    return BackfillRun.objects.get()


def write(path, rows):
    lines = [f"r{number},topup,0.01,2026-01-01T00:00:00Z" for number in range(rows)]
    path.write_text("\n".join(["reference_id,type,amount,occurred_at", *lines]) + "\n")
    return path


def environment():
    """That of a process which works on this test's own database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    return os.environ | {"DATABASE_URL": url, "ENVIRONMENT": "local", "PYTHONWARNINGS": "ignore"}


def start(*arguments, **options):
    command = [sys.executable, "manage.py", COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def has_come(run, position):
    run.refresh_from_db()
    return run.position >= position


def assert_exactly_once(tenant):
    assert Transaction.objects.filter(tenant=tenant).count() == ROWS
    assert Transaction.objects.filter(tenant=tenant).values("reference_id").distinct().count() == ROWS
    assert Wallet.objects.get(tenant=tenant).balance == ROWS // 100
    assert [name for ledger in LEDGERS for name, _, search in checks_of(ledger) if list(search(tenant.id, 1))] == []


def test_a_run_that_is_killed_repeatedly_resumes_at_the_right_row(run, tenant):
    for number, option in enumerate(("--apply", "--resume", "--resume")):
        process = start(option, run.id, "--batch-size", 50, "--max-rate", 1000)
        wait_for(lambda target=(number + 1) * 400: has_come(run, target))
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        # What the checkpoint says is what is in the ledger: they were committed together.
        wait_for(lambda: not is_worked_on(run))
        run.refresh_from_db()
        assert run.state == "running"
        assert Transaction.objects.filter(tenant=tenant).count() == run.position < ROWS
    out, err = (process := start("--resume", run.id)).communicate()
    assert process.returncode == 0, err
    assert "finished, 3,000 of 3,000 rows" in out
    assert_exactly_once(tenant)
    run.refresh_from_db()
    assert (run.state, run.counts, run.sums) == ("finished", {"posted": ROWS}, {"USD": "30.00"})


def test_an_interrupt_ends_the_run_after_a_batch_and_prints_how_to_resume(run, tenant):
    process = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1000)
    wait_for(lambda: has_come(run, 200))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    run.refresh_from_db()
    assert f"{run.position:,} of 3,000 rows are done. Go on with: manage.py {COMMAND} --resume {run.id}" in err
    assert (run.state, run.position % 50, Transaction.objects.filter(tenant=tenant).count()) == ("interrupted", 0, run.position)
    assert start("--resume", run.id).wait() == 0
    assert_exactly_once(tenant)


def test_an_interrupt_that_also_reaches_the_reader_process_ends_the_run_the_same_way(run, tenant):
    process = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1000, start_new_session=True)
    wait_for(lambda: has_come(run, 200))
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    run.refresh_from_db()
    assert (run.state, run.position % 50, Transaction.objects.filter(tenant=tenant).count()) == ("interrupted", 0, run.position)


def test_of_two_runs_at_once_one_is_refused_unless_it_may_wait(run, tenant):
    first = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1500)
    wait_for(lambda: has_come(run, 100))
    with pytest.raises(CommandError, match="Another process is working on this file") as refused:
        call_command(COMMAND, "--resume", str(run.id))
    assert refused.value.returncode == 3
    waiting = start("--resume", run.id, "--wait")
    assert first.wait() == 0
    _, err = waiting.communicate()
    assert waiting.returncode == 3
    assert "is finished: there is nothing left to post" in err
    assert_exactly_once(tenant)


def test_a_run_is_paused_and_resumed_by_staff(run, tenant):
    process = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1500)
    wait_for(lambda: has_come(run, 100))
    services.pause_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1")
    time.sleep(0.5)
    run.refresh_from_db()
    stood_at = run.position
    time.sleep(1.0)
    run.refresh_from_db()
    assert (run.state, run.position, run.stopped_because) == ("paused", stood_at, "paused by staff:1")
    assert process.poll() is None
    services.resume_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1")
    assert process.wait() == 0
    assert_exactly_once(tenant)


def cut_off(database):
    """End every other session of this database, as a restart or a broken network does; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [database]
        )
        return cursor.fetchone()[0]


def test_after_a_lost_connection_the_run_reconnects_and_applies_each_batch_exactly_once(run, tenant):
    process = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1000)
    for target in (200, 800, 1600):
        wait_for(lambda target=target: has_come(run, target))
        assert cut_off(connection.settings_dict["NAME"]) >= 1
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert_exactly_once(tenant)


def test_a_killed_reader_ends_the_run_with_its_own_exit_code_and_the_run_can_be_resumed(run, tenant):
    process = start("--apply", run.id, "--batch-size", 50, "--max-rate", 1000)
    wait_for(lambda: has_come(run, 200))
    [reader] = psutil.Process(process.pid).children()
    reader.kill()
    _, err = process.communicate()
    assert process.returncode == 4
    assert "The process that reads the file was ended by signal 9" in err
    assert f"Go on with: manage.py {COMMAND} --resume {run.id}" in err
    assert "Traceback" not in err
    assert start("--resume", run.id).wait() == 0
    assert_exactly_once(tenant)


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_a_report_that_can_not_be_written_is_one_error_message_and_the_run_is_stored(run, json):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "manage.py", COMMAND, "--apply", str(run.id), *json]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 4
    assert done.stderr.strip().splitlines()[-1] == (
        f"CommandError: Run {run.id} is finished, but its report can't be written: Broken pipe. See: manage.py backfill_runs {run.id}"
    )
    assert "Traceback" not in done.stderr
    run.refresh_from_db()
    assert run.state == "finished"


def test_without_a_database_the_command_prints_one_error_message(run):
    env = environment() | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    command = [sys.executable, "manage.py", COMMAND, "--apply", str(run.id)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "CommandError: The database refused: connection failed" in done.stderr
    assert "Traceback" not in done.stderr


PEAK = """
import resource, sys, django
django.setup()
from django.core.management import call_command
call_command({command!r}, "acme", sys.argv[1], "--plan", "--json")
from kernel.backfills.models import BackfillRun
call_command({command!r}, "--apply", str(BackfillRun.objects.order_by("-id").first().id), "--json")
print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


def peak_megabytes(path):
    """The most memory that planning and applying a file took, of the process or of the one that reads for it."""
    program = [sys.executable, "-c", PEAK.format(command=COMMAND), str(path)]
    done = subprocess.run(program, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout.split()[-1])
    return kilobytes / (1024 if sys.platform == "linux" else 1024 * 1024)


@pytest.mark.usefixtures("tenant")
def test_ten_times_the_rows_take_the_same_memory(tmp_path):
    small, large = (peak_megabytes(write(tmp_path / f"{rows}.csv", rows)) for rows in (3_000, 30_000))
    assert large - small < 12


def test_it_finds_the_sessions_that_wait_for_its_locks(tenant):
    record_transaction(tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(1), type="fee", reference_id="first")

    def post_as_well():
        record_transaction(tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(1), type="fee", reference_id="second")
        connection.close()

    assert count_waiting() == 0
    with transaction.atomic():
        Wallet.objects.select_for_update().get(tenant=tenant)
        other = threading.Thread(target=post_as_well)
        other.start()
        wait_for(lambda: count_waiting() == 1)
    other.join()
    assert count_waiting() == 0


def test_calls_that_post_to_the_same_wallet_during_a_backfill_leave_correct_balances(run, tenant):
    process = start("--apply", run.id, "--batch-size", 500)
    posted = 0
    while process.poll() is None:
        record_transaction(
            tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(1), type="fee", reference_id=f"other-{posted}"
        )
        posted += 1
    assert process.returncode == 0
    assert Transaction.objects.filter(tenant=tenant).count() == ROWS + posted
    assert [name for ledger in LEDGERS for name, _, search in checks_of(ledger) if list(search(tenant.id, 1))] == []
