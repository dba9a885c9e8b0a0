"""The edges of batches, checkpoints and limits: each of these tests fails if its boundary moves by one."""

from decimal import Decimal

import pytest
from django.core.management import CommandError

from kernel.backfills import reports, services
from kernel.backfills.adapters import Blocker, UndoStep
from kernel.backfills.applying import apply_run, locks, undoing
from kernel.backfills.applying.pacing import MAX_PAUSE_SECONDS, MIN_BATCH, Pacer
from kernel.backfills.arguments.parser import MAX_BATCH_ROWS
from kernel.backfills.errors import BadSource, RunMoved
from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.backfills.planning import planner
from kernel.backfills.reading.files import lines
from kernel.backfills.reading.sources import Reading, Source
from kernel.backfills.terminal.stop_requests import Stop
from kernel.ledger.errors import Busy, OutcomeUnknown
from tests.factories import TenantFactory
from tests.kernel.backfills.example_ledger import ShelfAdapter, moves, write_csv

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]
DAY = "2026-01-01T00:00:00Z"


def rows(count, first=0):
    return [[f"m{number}", "left", "in", "1", DAY] for number in range(first, first + count)]


@pytest.fixture
def before_post(monkeypatch):
    """Let a function be called before each call of the ledger."""
    return lambda call: monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(call))


def stop_at(tenant, count):
    def stop(postings):
        if len(moves(tenant)) == count:
            raise RuntimeError("the machine died")

    return stop


def test_a_resumed_run_names_the_lines_of_the_rows_that_it_refuses(plan, run_command, tenant, tmp_path, monkeypatch, before_post):
    """The last record before the checkpoint spans three lines, so its last line and not its first is where the next one begins."""
    path = tmp_path / "moves.csv"
    header = "move_id,shelf,kind,pieces,occurred_at,note\n"
    path.write_text(header + f'm1,left,in,1,{DAY},\nm2,left,in,1,{DAY},"{{\n\n}}"\nm3,left,in,x,{DAY},\nm4,left,in,1,{DAY},\n')
    run = plan(path)
    before_post(stop_at(tenant, 2))
    with pytest.raises(RuntimeError):
        run_command("--apply", run.id, "--batch-size", 2)
    run.refresh_from_db()
    assert (run.position, run.line, run.offset) == (2, 5, path.read_bytes().index(b"m3"))
    monkeypatch.undo()
    started = run.started_at
    _, code = run_command("--resume", run.id, "--batch-size", 2)
    assert code == 1
    assert list(BackfillReject.objects.filter(run_id=run.id).values_list("line", flat=True)) == [6]
    run.refresh_from_db()
    assert (run.line, run.offset, run.counts, run.started_at) == (7, path.stat().st_size, {"posted": 3, "invalid": 1}, started)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (10, 5), (10, 9), (10, 10), (10, 11)])
def test_every_row_is_posted_once_whatever_remains_for_the_last_batch(plan, run_command, tenant, tmp_path, before_post, count, size):
    batches = []
    run = plan(write_csv(tmp_path / "moves.csv", rows(count)))
    before_post(lambda postings: batches.append(len(postings)))
    run_command("--apply", run.id, "--batch-size", size)
    assert [key for key, _, _ in moves(tenant)] == [row[0] for row in rows(count)]
    full, rest = divmod(count, size)
    assert batches == [size] * full + [rest] * bool(rest)


def test_a_checkpoint_moves_only_from_where_its_worker_left_it(plan, tmp_path):
    run = plan(write_csv(tmp_path / "moves.csv", rows(9)))
    facts = {"rejects": [], "line": 3, "offset": 50, "counts": {"posted": 2}, "sums": {}}
    with pytest.raises(RunMoved):
        services.save_checkpoint(run=run, position=2, **facts)
    services.start(run=run, source=run.source)
    services.save_checkpoint(run=run, position=2, **facts)
    # `run` in memory is still at row 0, as another worker's would be.
    with pytest.raises(RunMoved):
        services.save_checkpoint(run=run, position=4, **facts)
    run.refresh_from_db()
    services.save_checkpoint(run=run, position=4, **facts)


def test_a_batch_that_was_committed_before_the_connection_was_lost_is_not_posted_again(plan, run_command, tenant, tmp_path, monkeypatch):
    """The connection of the test's own transaction must stay, so only what follows a loss is looked at."""
    run = plan(write_csv(tmp_path / "moves.csv", rows(30)))
    post, lost = apply_run.ApplyRun._post_whole, []

    def commit_and_lose(self, batch):
        waiting = post(self, batch)
        if len(lost) < 2:
            lost.append(self.run.position)
            self.run.position -= len(batch)
            raise OutcomeUnknown
        return waiting

    monkeypatch.setattr(apply_run.ApplyRun, "_post_whole", commit_and_lose)
    monkeypatch.setattr(apply_run, "connection", type("Kept", (), {"close": staticmethod(lambda: None)}))
    monkeypatch.setattr(Stop, "sleep", lambda self, seconds: None)
    _, code = run_command("--apply", run.id, "--batch-size", 10)
    assert (code, lost) == (0, [10, 20])
    assert len(moves(tenant)) == 30
    run.refresh_from_db()
    assert (run.position, run.counts, run.sums) == (30, {"posted": 30}, {"pieces": "30"})


def test_a_busy_database_is_tried_once_more_than_there_are_delays(plan, run_command, tmp_path, monkeypatch, before_post):
    tries, sleeps = [], []

    def busy(postings):
        tries.append(1)
        raise Busy

    run = plan(write_csv(tmp_path / "moves.csv", rows(1)))
    before_post(busy)
    monkeypatch.setattr(Stop, "sleep", lambda self, seconds: sleeps.append(seconds))
    with pytest.raises(CommandError, match="busy for too long"):
        run_command("--apply", run.id)
    assert (len(tries), sleeps) == (10, list(apply_run.RETRY_DELAYS))


def test_a_file_that_is_changed_while_it_is_posted_stops_the_run_where_it_is(plan, run_command, tenant, tmp_path, before_post):
    path = write_csv(tmp_path / "moves.csv", rows(30))
    run = plan(path)
    before_post(lambda postings: path.write_text(path.read_text() + "x\n") if not moves(tenant) else None)
    with pytest.raises(CommandError, match=r"changed while it was being read[.] Plan again[.] 10 of 30 rows") as stopped:
        run_command("--apply", run.id, "--batch-size", 10)
    # Rows were posted, so it isn't 3, which says that nothing was begun.
    assert stopped.value.returncode == 4
    assert len(moves(tenant)) == 10


def test_a_file_that_ends_before_the_plans_count_is_no_finished_run(plan, run_command, tmp_path, monkeypatch):
    create = services.create_run
    monkeypatch.setattr(services, "create_run", lambda *, facts, **more: create(facts={**facts, "rows": facts["rows"] + 1}, **more))
    run = plan(write_csv(tmp_path / "moves.csv", rows(3)))
    with pytest.raises(CommandError, match="The file ended at row 3 where the plan counted 4"):
        run_command("--apply", run.id)
    run.refresh_from_db()
    assert run.state == "interrupted"


@pytest.mark.parametrize(("count", "size"), [(6, 1), (6, 3), (7, 3), (6, 6), (6, 7)])
def test_an_undo_reverses_each_row_once_whatever_its_batches_are(plan, run_command, tenant, tmp_path, count, size):
    run = plan(write_csv(tmp_path / "moves.csv", rows(count)))
    run_command("--apply", run.id)
    run_command("--undo", run.id, "--batch-size", size)
    newest_first = [f"undo:{number}" for number in range(count, 0, -1)]
    reversals = [key for key, _, _ in moves(tenant)[count:]]
    assert sorted(reversals) == sorted(newest_first)
    assert reversals == newest_first
    run.refresh_from_db()
    assert (run.undone_rows, run.state) == (count, "undone")


def test_an_undo_looks_once_more_from_the_newest_row_before_it_ends(plan, run_command, tenant, tmp_path, monkeypatch):
    """A row of the run that commits while the undo is below it must not stay."""
    run = plan(write_csv(tmp_path / "moves.csv", rows(4)))
    run_command("--apply", run.id)
    undo, late = ShelfAdapter.undo, []

    def post_a_late_row(self, tenant, run, *, at_most, actor, below):
        step = undo(self, tenant, run, at_most=at_most, actor=actor, below=below)
        if below is not None and not late:
            values = {"shelf": "left", "kind": "in", "occurred_at": DAY}
            late.append(self._insert(tenant, "late", values, Decimal(1), b"", run.request_id, None))
        return step

    monkeypatch.setattr(ShelfAdapter, "undo", post_a_late_row)
    run_command("--undo", run.id, "--batch-size", 2)
    assert sum(pieces for _, _, pieces in moves(tenant)) == 0
    run.refresh_from_db()
    assert run.undone_rows == 5


def test_an_undo_goes_on_below_a_batch_that_another_call_reversed_meanwhile(plan, run_command, tenant, tmp_path, monkeypatch):
    run = plan(write_csv(tmp_path / "moves.csv", rows(4)))
    run_command("--apply", run.id)
    undo, batches = ShelfAdapter.undo, []

    def reverse_nothing_at_first(self, tenant, run, **asked):
        step = undo(self, tenant, run, **asked)
        batches.append(step)
        return UndoStep(reversed=0, lowest_id=step.lowest_id) if len(batches) == 1 else step

    monkeypatch.setattr(ShelfAdapter, "undo", reverse_nothing_at_first)
    run_command("--undo", run.id, "--batch-size", 2)
    assert sum(pieces for _, _, pieces in moves(tenant)) == 0
    run.refresh_from_db()
    assert run.undone_rows == 2


@pytest.mark.parametrize(("count", "more"), [(1, False), (undoing.BLOCKERS_LISTED, False), (undoing.BLOCKERS_LISTED + 1, True)])
def test_an_undo_lists_what_depends_on_it_up_to_a_limit(plan, run_command, tmp_path, monkeypatch, count, more):
    run = plan(write_csv(tmp_path / "moves.csv", rows(1)))
    run_command("--apply", run.id)
    blockers = [Blocker(what=f"row {number}", why="depends") for number in range(count)]
    monkeypatch.setattr(ShelfAdapter, "blockers", lambda self, tenant, run, at_most: blockers[:at_most])
    with pytest.raises(CommandError) as refused:
        run_command("--undo", run.id)
    lines = str(refused.value).splitlines()[1:]
    assert len([line for line in lines if line.startswith("  row ")]) == min(count, undoing.BLOCKERS_LISTED)
    assert ("and more" in lines) == more


@pytest.mark.parametrize("count", [reports.EXAMPLES_SHOWN, reports.EXAMPLES_SHOWN + 1, planner.MAX_EXAMPLES + 1])
def test_a_plan_counts_all_refused_rows_and_shows_the_first(run_command, tmp_path, count):
    path = write_csv(tmp_path / "moves.csv", [[f"m{number}", "left", "in", "x", DAY] for number in range(count)])
    text, _ = run_command("acme", path, "--plan")
    shown = [line for line in text.splitlines() if line.startswith("  line ") and ": invalid: " in line]
    assert len(shown) == min(count, reports.EXAMPLES_SHOWN)
    more = count - reports.EXAMPLES_SHOWN
    assert (f"  and {more} more" in text.splitlines()) == (more > 0)
    run = BackfillRun.objects.get()
    assert (run.plan["counts"], len(run.plan["examples"])) == ({"invalid": count}, min(count, planner.MAX_EXAMPLES))


@pytest.mark.parametrize(("lines", "is_long"), [(planner.LONG_RECORD_LINES, False), (planner.LONG_RECORD_LINES + 1, True)])
def test_a_record_is_long_beyond_a_number_of_lines(plan, tmp_path, lines, is_long):
    path = tmp_path / "moves.csv"
    path.write_text("move_id,shelf,kind,pieces,occurred_at,note\n" + f'm1,left,in,1,{DAY},"{{' + "\n" * (lines - 1) + '}"\n')
    assert bool(plan(path).plan["long_records"]) == is_long


@pytest.mark.parametrize(("size", "is_valid"), [(0, False), (1, True), (MAX_BATCH_ROWS, True), (MAX_BATCH_ROWS + 1, False)])
def test_batches_have_a_smallest_and_a_largest_size(plan, run_command, tmp_path, size, is_valid):
    run = plan(write_csv(tmp_path / "moves.csv", rows(1)))
    if is_valid:
        assert run_command("--apply", run.id, "--batch-size", size)[1] == 0
    else:
        with pytest.raises(CommandError, match=f"from 1 to {MAX_BATCH_ROWS}"):
            run_command("--apply", run.id, "--batch-size", size)


def test_a_line_may_be_as_long_as_the_limit_and_no_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 12)
    path = tmp_path / "file.csv"
    path.write_text("a,b\n" + "x" * 9 + ",1\n")
    with Reading(Source(paths=(path,), format="csv")) as reading:
        assert [record.fields for record in reading] == [["x" * 9, "1"]]
    path.write_text("a,b\n" + "x" * 10 + ",1\n")
    with Reading(Source(paths=(path,), format="csv")) as reading, pytest.raises(BadSource, match="longer than 12 bytes"):
        list(reading)


def test_a_file_is_locked_for_one_tenant_and_one_command(plan, run_command, tmp_path):
    path = write_csv(tmp_path / "moves.csv", rows(1))
    outsider = TenantFactory(slug="outsider")
    run = plan(path)
    run_command("outsider", path, "--plan")
    theirs = BackfillRun.objects.get(tenant=outsider)
    numbers = {
        locks.file_lock_number(tenant_id=tenant_id, command=command, file_digest=digest)
        for tenant_id in (run.tenant_id, outsider.id)
        for command in (run.command, "backfill_something_else")
        for digest in (run.file_digest, "0" * 64)
    }
    assert len(numbers) == 8
    with locks.hold_run_lock(run, wait=False, stop=Stop()):
        assert not locks.is_worked_on(theirs)


def test_a_pacer_never_makes_batches_larger_than_asked_for_or_smaller_than_the_smallest():
    small = Pacer(batch_size=10)
    small.after_batch(rows=10, seconds=0.1, waiting=1)
    assert small.size == 10
    large = Pacer(batch_size=120)
    sizes = []
    for waiting in (1, 1, 1, 0, 0):
        large.after_batch(rows=large.size, seconds=0.1, waiting=waiting)
        sizes.append(large.size)
    assert sizes == [60, MIN_BATCH, MIN_BATCH, MIN_BATCH + 6, MIN_BATCH + 12]
    for _ in range(20):
        large.after_batch(rows=large.size, seconds=0.1, waiting=0)
    assert large.size == 120


def test_a_pause_has_a_limit():
    assert Pacer(batch_size=10).after_batch(rows=10, seconds=60, waiting=1) == MAX_PAUSE_SECONDS
    slow = Pacer(batch_size=10)
    # The first batch finds cold caches, so it doesn't count.
    for seconds in (9, *[0.1] * 9):
        slow.after_batch(rows=10, seconds=seconds, waiting=0)
    # The pause is the median of the last five batches less the usual time, once that median is more than twice the usual time.
    pauses = [slow.after_batch(rows=10, seconds=seconds, waiting=0) for seconds in (0.1, 0.1, 0.5, 0.5, 0.5)]
    assert pauses == [0, 0, 0, pytest.approx(0.2), pytest.approx(0.4)]
    assert [slow.after_batch(rows=10, seconds=60, waiting=0) for _ in range(3)][-1] == MAX_PAUSE_SECONDS
