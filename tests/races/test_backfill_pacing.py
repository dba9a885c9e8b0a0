"""A running backfill gives way to those who wait for its locks and to a database that has grown slow, and takes its pace up again."""

import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from billing.models import Transaction, Wallet
from billing.services import record_transaction
from kernel.backfills.applying import pacing, run_work
from kernel.backfills.applying.pacing import BASELINE_BATCHES, MIN_BATCH, PAUSE_FACTOR, RECENT_BATCHES, Pacer
from kernel.backfills.models import BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db(transaction=True)
COMMAND = "backfill_billing_transactions"
# At commit, each checkpoint takes so long as the table says: what a busy disk does to everybody.
SLOW = """
CREATE TABLE slow_disk (seconds float NOT NULL);
INSERT INTO slow_disk VALUES (0.05);
CREATE FUNCTION slow_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(seconds) FROM slow_disk;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow_disk AFTER UPDATE ON backfills_run DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slow_disk();
"""
FAST_AGAIN = "DROP TRIGGER slow_disk ON backfills_run; DROP FUNCTION slow_disk(); DROP TABLE slow_disk;"


@dataclass(frozen=True)
class Batch:
    """What the pacer heard of one batch and said to it, and how long it really was until the next one began (seconds)."""

    rows: int
    seconds: float
    waiting: int
    rest: float
    size: int
    note: str
    ended_at: float


@pytest.fixture
def tenant(transactional_db):
    tenant = TenantFactory(slug="acme")
    record_transaction(tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(1), type="topup", reference_id="first")
    return tenant


@pytest.fixture
def apply(tenant, tmp_path, monkeypatch):
    """Post so many rows of one wallet, then perhaps take them back; every batch as its pacer met it.

    `after` is called with all batches so far, after each of them; of an undo, with its own.
    """

    def apply(rows, *, batch_size, after, undo=False):
        batches, is_undoing = [], []

        class Overheard(Pacer):
            def after_batch(self, *, rows, seconds, waiting):
                rest = super().after_batch(rows=rows, seconds=seconds, waiting=waiting)
                batches.append(Batch(rows, seconds, waiting, rest, self.size, self.note, time.monotonic()))
                if not undo or is_undoing:
                    after(batches)
                return rest

        monkeypatch.setattr(run_work, "Pacer", Overheard)
        path = tmp_path / "history.csv"
        lines = [f"r{number},topup,0.01,2026-01-01T00:00:00Z" for number in range(rows)]
        path.write_text("\n".join(["reference_id,type,amount,occurred_at", *lines]) + "\n")
        call_command(COMMAND, "acme", str(path), "--plan", stdout=StringIO())
        call_command(COMMAND, "--apply", str(BackfillRun.objects.get().id), "--batch-size", str(batch_size), stdout=StringIO())
        assert BackfillRun.objects.get().counts == {"posted": rows}
        assert Transaction.objects.filter(tenant=tenant).count() == rows + 1
        if undo:
            batches.clear()
            is_undoing.append(True)
            call_command(COMMAND, "--undo", str(BackfillRun.objects.get().id), "--batch-size", str(batch_size), stdout=StringIO())
            assert BackfillRun.objects.get().undone_rows == rows
        return batches

    return apply


class Rival:
    """Another session that takes the wallet's lock again and again, and so waits whenever a batch has it."""

    def __init__(self, tenant):
        self.tenant = tenant
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def _work(self):
        while not self.stopped.is_set():
            with transaction.atomic():
                Wallet.objects.select_for_update().get(tenant=self.tenant)
        connection.close()

    def stop(self):
        self.stopped.set()
        self.thread.join()


def assert_rested(batches):
    """The pauses were real: the next batch began no sooner than planned."""
    for batch, following in pairwise(batches):
        assert following.ended_at - following.seconds - batch.ended_at >= batch.rest * 0.9


def test_while_a_session_waits_for_its_locks_batches_shrink_and_pauses_grow_until_it_recovers(apply, tenant, monkeypatch):
    # It looks twice a second, which is seldom for a run of seconds.
    monkeypatch.setattr(pacing, "SAMPLE_EVERY_SECONDS", 0)
    rival = Rival(tenant)

    def come_and_go(batches):
        if len(batches) == 3:
            rival.thread.start()
        elif batches[-1].size == MIN_BATCH:
            rival.stop()

    batches = apply(10_000, batch_size=400, after=come_and_go)
    met = [batch for batch in batches if batch.waiting]
    assert [batch.size for batch in batches[:3]] == [400] * 3
    assert met[-1].size == MIN_BATCH
    for batch in met:
        assert batch.note == "stepping back: 1 waiting"
        assert batch.rest >= PAUSE_FACTOR * batch.seconds
    left_alone = batches[batches.index(met[-1]) + 1 :]
    assert left_alone[0].rows == MIN_BATCH
    sizes = [batch.size for batch in left_alone]
    assert sizes == sorted(sizes)
    assert sizes[-1] == max(batch.rows for batch in left_alone) == 400
    assert not any("stepping back" in batch.note for batch in left_alone)
    assert_rested(batches)


def test_an_undo_slows_down_for_waiting_sessions_too(apply, tenant, monkeypatch):
    monkeypatch.setattr(pacing, "SAMPLE_EVERY_SECONDS", 0)
    rival = Rival(tenant)

    def come_and_go(batches):
        if len(batches) == 1:
            rival.thread.start()
        elif batches[-1].size < 200 and not rival.stopped.is_set():
            rival.stop()

    batches = apply(4_000, batch_size=400, after=come_and_go, undo=True)
    met = [batch for batch in batches if batch.waiting]
    assert met[0].note == "stepping back: 1 waiting"
    assert met[-1].size < 200
    assert batches[-1].size > met[-1].size
    assert_rested(batches)


@pytest.fixture
def disk(transactional_db):
    """Say how long each commit of a checkpoint takes, from a session of its own (seconds)."""
    with connection.cursor() as cursor:
        cursor.execute(SLOW)

    def set_seconds(seconds):
        def update():
            with connection.cursor() as cursor:
                cursor.execute("UPDATE slow_disk SET seconds = %s", [seconds])
            connection.close()

        other = threading.Thread(target=update)
        other.start()
        other.join()

    yield set_seconds
    with connection.cursor() as cursor:
        cursor.execute(FAST_AGAIN)


def test_when_commits_get_slower_it_pauses_for_the_difference_until_they_recover(apply, disk):
    slow_from, slow_to = BASELINE_BATCHES + RECENT_BATCHES, BASELINE_BATCHES + RECENT_BATCHES + 7

    def grow_slow_and_fast_again(batches):
        if len(batches) == slow_from:
            disk(0.6)
        elif len(batches) == slow_to:
            disk(0.05)

    batches = apply(3_000, batch_size=100, after=grow_slow_and_fast_again)
    assert len(batches) == 30
    began, slow, after = batches[:slow_from], batches[slow_from:slow_to], batches[slow_to:]
    assert not any(batch.rest for batch in began)
    assert all(batch.seconds >= 0.6 for batch in slow)
    # By the median of the last five: one slow batch is nothing yet, and one fast batch is not the end of it.
    noticed = slow[RECENT_BATCHES // 2 :]
    assert all(batch.note.startswith("slowing down: commits take ") for batch in noticed)
    usual = sorted(batch.seconds for batch in began[1 : BASELINE_BATCHES + 1])[BASELINE_BATCHES // 2]
    assert noticed[-1].rest == pytest.approx(0.6 - usual, abs=0.2)
    assert all(batch.rest == 0 and not batch.note for batch in after[RECENT_BATCHES:])
    # Fewer rows to a batch would make each row dearer: only the pauses grow.
    assert {batch.size for batch in batches} == {100}
    assert_rested(batches)


def test_waiting_sessions_are_looked_up_at_most_twice_a_second(tenant):
    pacer = Pacer(batch_size=100)
    rival = Rival(tenant)
    with transaction.atomic():
        Wallet.objects.select_for_update().get(tenant=tenant)
        rival.thread.start()
        until = time.monotonic() + 30
        while not pacing.count_waiting():
            assert time.monotonic() < until
        assert (pacer.sample_waiting(), pacer.sample_waiting()) == (1, 0)
        time.sleep(pacing.SAMPLE_EVERY_SECONDS)
        assert pacer.sample_waiting() == 1
    rival.stop()
