"""A run that several processes post comes out row by row as with one, also where any of them is killed, stopped or paused."""

import os
import signal
import time
from decimal import Decimal
from io import StringIO

import psutil
import pytest
from django.core.management import CommandError, call_command

from backoffice.integrity.checks import LEDGERS, checks_of
from billing.models import Transaction, Wallet
from kernel.backfills import services
from kernel.backfills.applying.locks import is_worked_on
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillShare
from tests.factories import TenantFactory
from tests.races.test_backfills import start, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
COMMAND = "backfill_billing_transactions"
UNITS = ("USD", "EUR", "CHF")
ROWS = 2400


@pytest.fixture
def tenant(transactional_db):
    return TenantFactory(slug="acme")


@pytest.fixture
def run(tenant, tmp_path):
    """A plan of three wallets, whose rows take turns; each wallet's rows depend on their order, and one is refused."""
    seen = dict.fromkeys(UNITS, 0)
    lines = ["reference_id,type,amount,currency,occurred_at"]
    for number in range(ROWS):
        unit = UNITS[number % 3]
        seen[unit] += 1
        lines.append(f"r{number},{'topup' if seen[unit] % 2 else 'usage'},0.02,{unit},2026-01-01T00:00:00Z")
    lines[100] = lines[100].replace("0.02", "x")
    path = tmp_path / "history.csv"
    path.write_text("\n".join(lines) + "\n")
    from billing.services import set_policy

    set_policy(tenant_id=tenant.id, actor="command:test", request_id="", default_floor=Decimal(0))
    with pytest.raises(SystemExit):
        call_command(COMMAND, "acme", str(path), "--plan", stdout=StringIO())
    return BackfillRun.objects.get()


def entries(tenant):
    return Transaction.objects.filter(tenant=tenant).count()


def posted(run):
    """How many rows the shares' checkpoints say are posted."""
    return sum(share.counts.get("posted", 0) for share in BackfillShare.objects.filter(run_id=run.id))


def assert_as_planned(run, tenant):
    run.refresh_from_db()
    assert (run.state, run.position, run.jobs) == ("finished", ROWS, 2)
    assert (run.counts, run.sums) == (run.plan["counts"], run.plan["sums"])
    after = {account["unit"]: account["after"] for account in run.plan["accounts"]}
    assert {wallet.currency: f"{wallet.balance:f}".rstrip("0").rstrip(".") or "0" for wallet in Wallet.objects.filter(tenant=tenant)} == {
        unit: amount.rstrip("0").rstrip(".") or "0" for unit, amount in after.items()
    }
    for unit in UNITS:
        references = (
            Transaction.objects.filter(tenant=tenant, currency=unit).order_by("entry_number").values_list("reference_id", flat=True)
        )
        numbers = [int(reference[1:]) for reference in references]
        assert numbers == sorted(numbers)
    assert [reject.line for reject in BackfillReject.objects.filter(run_id=run.id)] == [101]
    assert [name for ledger in LEDGERS for name, _, search in checks_of(ledger) if list(search(tenant.id, 1))] == []


def test_killed_parents_and_shares_lose_and_repeat_nothing(run, tenant):
    for number, (option, kills_parent) in enumerate((("--apply", True), ("--resume", False), ("--resume", True))):
        process = start(option, run.id, "--jobs", 2, "--batch-size", 20, "--max-rate", 600)
        wait_for(lambda target=(number + 1) * 300: posted(run) >= target)
        if kills_parent:
            process.kill()
        else:
            os.kill(psutil.Process(process.pid).children()[1].pid, signal.SIGKILL)
        _, err = process.communicate()
        assert process.returncode == (-signal.SIGKILL if kills_parent else 4), err
        assert kills_parent or "A process that posts a share was ended by signal 9." in err
        assert kills_parent or f"Go on with: manage.py {COMMAND} --resume {run.id}" in err
        wait_for(lambda: not is_worked_on(run))
        assert entries(tenant) <= ROWS
    # An orphaned share ends after its batch, and the next one waits for it.
    process = start("--resume", run.id)
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert "finished, 2,400 of 2,400 rows" in out
    assert posted(run) == entries(tenant)
    assert all(share.position for share in BackfillShare.objects.filter(run_id=run.id))
    assert_as_planned(run, tenant)


def test_an_interrupt_stops_every_share_and_a_pause_holds_them(run, tenant):
    process = start("--apply", run.id, "--jobs", 2, "--batch-size", 20, "--max-rate", 600, start_new_session=True)
    wait_for(lambda: posted(run) >= 200)
    services.pause_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1")
    held = entries(tenant)
    time.sleep(0.5)
    assert entries(tenant) == held
    services.resume_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1")
    wait_for(lambda: entries(tenant) > held)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    run.refresh_from_db()
    assert (process.returncode, run.state) == (130, "interrupted")
    assert f"{run.position:,} of 2,400 rows are done. Go on with: manage.py {COMMAND} --resume {run.id}" in err
    assert posted(run) == entries(tenant)
    process = start("--resume", run.id)
    process.communicate()
    assert process.returncode == 1
    assert_as_planned(run, tenant)
    process = start("--undo", run.id)
    process.communicate()
    run.refresh_from_db()
    assert (process.returncode, run.state, run.undone_rows) == (0, "undone", ROWS - 1)
    assert {wallet.balance for wallet in Wallet.objects.filter(tenant=tenant)} == {0}


def test_a_file_that_names_its_accounts_in_two_ways_is_posted_by_one_process(tenant, tmp_path):
    path = tmp_path / "draws.csv"
    path.write_text("idempotency_key,grant_id,grant_key,type,amount,occurred_at\nd1,,g1,DEBIT,1,2026-01-01\n")
    with pytest.raises(SystemExit):
        call_command("backfill_credit_transactions", "acme", str(path), "--plan", stdout=StringIO())
    run = BackfillRun.objects.get()
    with pytest.raises(CommandError, match=r"names its accounts in two ways .grant_id, grant_key.: post it with --jobs 1") as refused:
        call_command("backfill_credit_transactions", "--apply", str(run.id), "--jobs", "2")
    assert refused.value.returncode == 3
    run.refresh_from_db()
    assert run.state == "planned"
