"""Plan, apply, resume and undo, on a small ledger of the tests' own."""

import json
from decimal import Decimal

import pytest
from django.core.management import CommandError

from kernel.backfills import selectors, services
from kernel.backfills.applying import locks
from kernel.backfills.applying.pacing import Pacer
from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.ledger.errors import Busy, LedgerUnavailable, NotFound
from tests.kernel.backfills.example_ledger import ShelfAdapter, moves, write_csv, write_jsonl

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("book")]

ROWS = [
    ["m1", "left", "in", "10", "2026-01-01T00:00:00Z"],
    ["m2", "left", "out", "4", "2026-01-02T00:00:00Z"],
    ["m3", "right", "in", "1.5", "2026-01-02T00:00:00Z"],
]
BAD = [
    ["m4", "left", "out", "7", "2026-01-03T00:00:00Z"],
    ["m5", "nowhere", "out", "1", "2026-01-03T00:00:00Z"],
    ["m6", "left", "up", "1e5", "2026-01-03T00:00:00Z"],
    ["m1", "left", "in", "11", "2026-01-01T00:00:00Z"],
    ["m3", "right", "in", "1.50", "2026-01-02T00:00:00Z"],
    ["m7", "left", "in", "1"],
    ["m8", "right", "in", "-1", "2026-01-03T00:00:00Z"],
]


@pytest.fixture
def file(tmp_path):
    return write_csv(tmp_path / "moves.csv", ROWS)


def test_a_plan_posts_nothing_and_shows_its_effect(plan, tenant, tmp_path):
    run = plan(write_csv(tmp_path / "moves.csv", ROWS + BAD), "--effects", tmp_path / "effects.csv")
    assert moves(tenant) == []
    assert run.plan["counts"] == {"posted": 3, "insufficient": 1, "not_found": 1, "invalid": 3, "conflict": 1, "already_there": 1}
    assert run.plan["sums"] == {"pieces": "15.5"}
    assert run.plan["by_type_and_day"] == [
        {"type": "in", "day": "2026-01-01", "unit": "pieces", "rows": 1, "amount": "10"},
        {"type": "in", "day": "2026-01-02", "unit": "pieces", "rows": 1, "amount": "1.5"},
        {"type": "out", "day": "2026-01-02", "unit": "pieces", "rows": 1, "amount": "4"},
    ]
    assert run.plan["accounts"] == [
        {"account": "left", "unit": "pieces", "before": "0", "after": "6", "change": "6", "rows": 2, "refused": 1},
        {"account": "right", "unit": "pieces", "before": "0", "after": "1.5", "change": "1.5", "rows": 1, "refused": 0},
    ]
    assert [(example["line"], example["outcome"], example["why"]) for example in run.plan["examples"]] == [
        (5, "insufficient", "left would fall to -1, and may not fall below 0"),
        (6, "not_found", "there is no nowhere"),
        (7, "invalid", "kind: must be one of in, out, not 'up'; pieces: must be a plain decimal such as 12.50, not '1e5'"),
        (8, "conflict", "the key stands for line 2 of this file with another pieces"),
        (10, "invalid", "has 4 fields where the header has 5"),
        (11, "invalid", "pieces: must not be negative"),
    ]
    assert (tmp_path / "effects.csv").read_text().splitlines() == [
        "account,unit,before,after,change,rows,refused",
        "left,pieces,0,6,6,2,1",
        "right,pieces,0,1.5,1.5,1,0",
    ]


def test_applying_does_exactly_what_the_plan_reported(plan, run_command, tenant, tmp_path):
    run = plan(write_csv(tmp_path / "moves.csv", ROWS + BAD))
    _, code = run_command("--apply", run.id)
    assert code == 1
    run.refresh_from_db()
    assert run.state == "finished"
    assert run.counts == run.plan["counts"]
    assert run.sums == run.plan["sums"]
    assert moves(tenant) == [("m1", "left", Decimal(10)), ("m2", "left", Decimal(-4)), ("m3", "right", Decimal("1.5"))]


def test_refused_rows_come_back_as_a_file_that_can_be_put_right_and_fed_back(plan, run_command, tenant, tmp_path):
    run = plan(write_csv(tmp_path / "moves.csv", ROWS + BAD))
    rejects = tmp_path / "rejects.csv"
    run_command("--apply", run.id, "--rejects", rejects)
    assert rejects.read_text().splitlines()[:3] == [
        "move_id,shelf,kind,pieces,occurred_at,_line,_why",
        'm4,left,out,7,2026-01-03T00:00:00Z,5,"left would fall to -1, and may not fall below 0"',
        "m5,nowhere,out,1,2026-01-03T00:00:00Z,6,there is no nowhere",
    ]
    assert [reject.line for reject in BackfillReject.objects.filter(run_id=run.id)] == [5, 6, 7, 8, 10, 11]
    again = plan(rejects)
    assert again.plan["counts"] == {"insufficient": 1, "not_found": 1, "invalid": 3, "conflict": 1}
    mended = rejects.read_text().replace("m4,left,out,7", "m4,left,out,6").replace("left,up,1e5", "left,in,100")
    rejects.write_text(mended)
    run = plan(rejects)
    run_command("--apply", run.id)
    assert moves(tenant)[3:] == [("m4", "left", Decimal(-6)), ("m6", "left", Decimal(100))]


def test_the_same_file_twice_posts_nothing_twice(plan, run_command, tenant, file):
    for _ in range(2):
        _, code = run_command("--apply", plan(file).id)
        assert code == 0
    assert len(moves(tenant)) == 3
    assert BackfillRun.objects.order_by("-id").first().counts == {"already_there": 3}


def test_a_plan_sees_what_the_book_has(plan, run_command, tmp_path, file):
    run_command("--apply", plan(file).id)
    others = [["m1", "left", "in", "10", "2026-01-01T00:00:00Z"], ["m2", "left", "out", "5", "2026-01-02T00:00:00Z"]]
    late = ["m9", "left", "out", "6", "2025-12-31T00:00:00Z"]
    run = plan(write_csv(tmp_path / "more.csv", [*others, late]))
    assert run.plan["counts"] == {"already_there": 1, "conflict": 1, "posted": 1}
    assert run.plan["examples"][0]["why"] == "the key stands for 2 in the ledger with another pieces"
    assert run.plan["accounts"][0] | {"rows": 1} == {
        "account": "left",
        "unit": "pieces",
        "before": "6",
        "after": "0",
        "change": "-6",
        "rows": 1,
        "refused": 0,
    }
    assert run.plan["back_dated"] == {"rows": 1, "first": "2025-12-31T00:00:00+00:00", "last": "2025-12-31T00:00:00+00:00"}


def test_an_outsiders_book_is_not_seen(plan, run_command, tmp_path, file):
    from tests.factories import TenantFactory

    run_command("--apply", plan(file).id)
    outsider = TenantFactory(slug="outsider")
    run_command("outsider", file, "--plan")
    run = BackfillRun.objects.filter(tenant=outsider).get()
    assert run.plan["counts"] == {"posted": 3}


def test_columns_may_have_other_names_and_defaults(plan, run_command, tenant, tmp_path):
    path = write_csv(tmp_path / "theirs.csv", [["a", "5", "x"], ["b", "6", "y"]], header="Nr;Stück;Rest".replace(";", "|"))
    path.write_text(path.read_text().replace(",", "|"))
    arguments = ["--map", "Nr=move_id", "--map", "Stück=pieces", "--ignore", "Rest", "--set", "kind=in", "--set", "shelf=left"]
    run = plan(path, "--delimiter", "|", *arguments, "--set", "occurred_at=2026-01-01")
    run_command("--apply", run.id)
    assert moves(tenant) == [("a", "left", Decimal(5)), ("b", "left", Decimal(6))]


@pytest.mark.parametrize(
    ("header", "arguments", "says"),
    [
        ("move_id,shelf,kind,peices,occurred_at", [], "The file's column 'peices' is not known here"),
        ("move_id,shelf,kind,pieces,occurred_at", ["--map", "a=b"], "there is no column b"),
        ("move_id,shelf,kind,pieces,occurred_at", ["--map", "a=note"], "The file has no column a"),
        ("move_id,shelf,kind,pieces,occurred_at", ["--set", "kind=up"], "must be one of in, out"),
        ("move_id,shelf,kind,pieces,moveId", [], "More than one column of the file is move_id"),
    ],
)
def test_a_column_that_can_not_be_meant_is_refused_before_a_row_is_read(run_command, tmp_path, header, arguments, says):
    path = write_csv(tmp_path / "moves.csv", ROWS, header=header)
    with pytest.raises(CommandError, match=says) as refused:
        run_command("acme", path, "--plan", *arguments)
    assert refused.value.returncode == 3
    assert not BackfillRun.objects.exists()


def test_json_lines_bring_the_same_and_keep_an_objects_digits(plan, run_command, tenant, tmp_path):
    from django.db import connection

    row = {"moveId": "m1", "shelf": "left", "kind": "in", "pieces": 10, "occurredAt": "2026-01-01T00:00:00Z"}
    path = tmp_path / "moves.jsonl"
    write_jsonl(path, [row, {**row, "moveId": "m2", "colour": "red"}, {**row, "moveId": "m3", "shelf": 7}])
    path.write_text(
        path.read_text() + '{"moveId":"m4","shelf":"left","kind":"in","pieces":"0.10","note":{"x": 2.50},"occurredAt":"2026-01-01"}\n'
    )
    run = plan(path)
    run_command("--apply", run.id, "--rejects", tmp_path / "rejects.jsonl")
    assert [(key, pieces) for key, _, pieces in moves(tenant)] == [("m1", Decimal(10)), ("m4", Decimal("0.10"))]
    with connection.cursor() as cursor:
        cursor.execute("SELECT note FROM shelf_move WHERE key = 'm4'")
        assert cursor.fetchone() == ('{"x": 2.50}',)
    refused = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(line["moveId"], line["_line"], line["_why"]) for line in refused] == [
        ("m2", 2, "colour: is no known column: name it with --map or leave it out with --ignore"),
        ("m3", 3, "shelf: must be a JSON string"),
    ]
    assert plan(tmp_path / "rejects.jsonl").plan["counts"] == {"invalid": 2}


def test_a_file_that_changed_since_the_plan_is_refused(plan, run_command, tenant, file):
    run = plan(file)
    file.write_text(file.read_text().replace("10", "99"))
    with pytest.raises(CommandError, match="is not the file that was planned") as refused:
        run_command("--apply", run.id)
    assert refused.value.returncode == 3
    assert moves(tenant) == []
    run.refresh_from_db()
    assert run.state == "planned"


def test_a_moved_file_is_found_where_it_is_now(plan, run_command, tenant, file, tmp_path):
    run = plan(file)
    elsewhere = file.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(CommandError, match="no such file"):
        run_command("--apply", run.id)
    run_command("--apply", run.id, "--source", elsewhere)
    assert len(moves(tenant)) == 3


def test_a_run_that_stopped_goes_on_at_the_right_row(plan, run_command, tenant, tmp_path, monkeypatch):
    rows = [[f"m{number}", "left", "in", "1", "2026-01-01T00:00:00Z"] for number in range(95)]
    run = plan(write_csv(tmp_path / "moves.csv", rows))

    def stop_after_thirty(postings):
        if len(moves(tenant)) == 30:
            raise RuntimeError("the machine died")

    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(stop_after_thirty))
    with pytest.raises(RuntimeError, match="died"):
        run_command("--apply", run.id, "--batch-size", 10)
    run.refresh_from_db()
    assert (run.state, run.position, run.line, run.counts) == ("running", 30, 31, {"posted": 30})
    monkeypatch.undo()
    with pytest.raises(CommandError, match="--resume"):
        run_command("--apply", run.id)
    _, code = run_command("--resume", run.id, "--batch-size", 7)
    assert code == 0
    assert [key for key, _, _ in moves(tenant)] == [row[0] for row in rows]
    run.refresh_from_db()
    assert (run.state, run.position, run.counts, run.sums) == ("finished", 95, {"posted": 95}, {"pieces": "95"})


def test_a_request_to_stop_ends_at_the_end_of_the_batch_and_says_how_to_go_on(plan, run_command, tenant, tmp_path, monkeypatch):
    import os
    import signal

    rows = [[f"m{number}", "left", "in", "1", "2026-01-01T00:00:00Z"] for number in range(30)]
    run = plan(write_csv(tmp_path / "moves.csv", rows))
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(lambda postings: os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(
        CommandError, match=f"10 of 30 rows are done. Go on with: manage.py backfill_shelf_moves --resume {run.id}"
    ) as stopped:
        run_command("--apply", run.id, "--batch-size", 10)
    assert stopped.value.returncode == 130
    run.refresh_from_db()
    assert (run.state, run.position, len(moves(tenant))) == ("interrupted", 10, 10)
    monkeypatch.undo()
    run_command("--resume", run.id)
    assert len(moves(tenant)) == 30


def test_a_busy_database_is_tried_again(plan, run_command, tenant, file, monkeypatch):
    tries = []

    def busy_twice(postings):
        tries.append(len(postings))
        if len(tries) < 3:
            raise Busy

    run = plan(file)
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(busy_twice))
    _, code = run_command("--apply", run.id)
    assert (code, tries, len(moves(tenant))) == (0, [3, 3, 3], 3)


def test_one_row_that_breaks_the_call_fails_alone(plan, run_command, tenant, tmp_path):
    run = plan(write_csv(tmp_path / "moves.csv", [*ROWS[:1], ["p", "poison", "in", "1", "2026-01-01T00:00:00Z"], *ROWS[1:]]))
    _, code = run_command("--apply", run.id)
    assert code == 1
    run.refresh_from_db()
    assert run.counts == {"posted": 3, "invalid_value": 1}
    assert BackfillReject.objects.get(run_id=run.id).line == 3


def test_a_run_paused_by_a_person_posts_nothing_until_it_is_resumed(plan, run_command, tenant, tmp_path, monkeypatch):
    rows = [[f"m{number}", "left", "in", "1", "2026-01-01T00:00:00Z"] for number in range(20)]
    run = plan(write_csv(tmp_path / "moves.csv", rows))
    paused = []

    def pause_once(stop):
        if len(moves(tenant)) == 10 and not paused:
            paused.append(services.pause_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1").state)

    def resume_instead_of_sleeping(seconds):
        if paused == ["paused"] and BackfillRun.objects.get(id=run.id).state == "paused":
            paused.append(services.resume_run(tenant_id=tenant.id, run_id=run.id, actor="staff:1").state)

    monkeypatch.setattr("kernel.backfills.terminal.stop_requests.Stop.check", pause_once)
    monkeypatch.setattr("kernel.backfills.terminal.stop_requests.Stop.sleep", lambda self, seconds: resume_instead_of_sleeping(seconds))
    _, code = run_command("--apply", run.id, "--batch-size", 10)
    assert (code, paused, len(moves(tenant))) == (0, ["paused", "running"], 20)


def test_a_quote_that_is_not_closed_is_a_warning_that_names_its_line(run_command, tmp_path):
    header = "move_id,shelf,kind,pieces,occurred_at,note\n"
    rows = "".join(f"m{number},left,in,1,2026-01-01,\n" for number in range(48))
    path = tmp_path / "moves.csv"
    path.write_text(header + 'm90,left,in,1,2026-01-01,"\n' + rows + 'm91,left,in,1,2026-01-01,"\n')
    text, _ = run_command("acme", path, "--plan")
    run = BackfillRun.objects.get()
    assert run.rows == 1
    assert run.plan["long_records"] == [{"line": 2, "place": "line 2", "lines": 50}]
    assert "Warning: the record at line 2 spans 50 lines. Perhaps a quote is not closed." in text


@pytest.mark.parametrize("piece", ["file", "below a file"])
def test_a_folder_that_can_not_be_written_is_named_before_the_walk(run_command, file, tmp_path, settings, piece):
    settings.BACKFILL_FOLDER = file if piece == "file" else file / "var"
    with pytest.raises(CommandError, match=r"can't be written: [A-Z].* --rejects FILE, or another folder with BACKFILL_FOLDER"):
        run_command("acme", file, "--plan")


def test_a_record_of_a_few_lines_is_no_warning(plan, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_text("move_id,shelf,kind,pieces,occurred_at,note\n" + 'm1,left,in,1,2026-01-01,"{' + "\n" * 9 + '}"\n')
    run = plan(path)
    assert (run.plan["counts"], run.plan["long_records"]) == ({"posted": 1}, [])


@pytest.mark.parametrize("option", ["--effects", "--rejects"])
def test_a_file_that_can_not_be_written_is_refused_before_the_walk(run_command, file, tmp_path, monkeypatch, option):
    from kernel.backfills.planning import make_plan

    def walk(*args, **options):
        raise AssertionError("the file was read")

    monkeypatch.setattr(make_plan.Plan, "_walk", walk)
    below_a_file = file / "out.csv"
    with pytest.raises(CommandError, match=f"can't be written: [A-Z][a-z ]+. Name another file with {option} FILE") as refused:
        run_command("acme", file, "--plan", option, below_a_file)
    assert refused.value.returncode == 3
    if option == "--effects":
        with pytest.raises(CommandError, match="can't be written: No such file or directory"):
            run_command("acme", file, "--plan", option, tmp_path / "nowhere" / "effects.csv")
        with pytest.raises(CommandError, match="can't be written: Is a directory"):
            run_command("acme", file, "--plan", option, tmp_path)
    assert not BackfillRun.objects.exists()


def test_an_application_checks_its_file_of_rejects_before_it_posts(plan, run_command, file, tenant):
    run = plan(file)
    with pytest.raises(CommandError, match="can't be written") as refused:
        run_command("--apply", run.id, "--rejects", file / "rejects.csv")
    assert refused.value.returncode == 3
    assert moves(tenant) == []
    run.refresh_from_db()
    assert run.state == "planned"


def database_error(sqlstate, text):
    """The error that Django raises for this state of PostgreSQL."""
    import psycopg
    from django.db import OperationalError

    cause = psycopg.errors.lookup(sqlstate)(text)
    error = OperationalError(text)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [
        ("53100", 'could not extend file "base/5/1": No space left on device'),
        ("25006", "cannot execute INSERT in a read-only transaction"),
        ("42501", "permission denied for table shelf_move"),
    ],
)
def test_what_the_database_refuses_for_good_stops_the_run_at_once_with_its_own_reason(plan, run_command, file, monkeypatch, sqlstate, text):
    tries = []

    def refuse(postings):
        tries.append(1)
        raise database_error(sqlstate, text)

    run = plan(file)
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(refuse))
    with pytest.raises(CommandError) as stopped:
        run_command("--apply", run.id)
    assert stopped.value.returncode == 4
    assert str(stopped.value) == (
        f"The database refused: {text}. 0 of 3 rows are done. Go on with: manage.py backfill_shelf_moves --resume {run.id}"
    )
    assert len(tries) == 1
    run.refresh_from_db()
    assert (run.state, run.stopped_because) == ("interrupted", f"The database refused: {text}.")


def test_a_ledger_that_is_unavailable_refuses_no_row(plan, run_command, file, monkeypatch):
    """The ledger's service raises it for the whole batch: posted singly, every row would be noted as refused."""

    def refuse(postings):
        raise LedgerUnavailable from database_error("53100", "No space left on device")

    run = plan(file)
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(refuse))
    with pytest.raises(CommandError, match="The database refused: No space left on device") as stopped:
        run_command("--apply", run.id)
    assert stopped.value.returncode == 4
    run.refresh_from_db()
    assert (run.position, run.counts) == (0, {})
    assert not BackfillReject.objects.exists()


def test_a_statement_that_is_cancelled_repeatedly_is_reported_with_the_databases_reason(plan, run_command, file, monkeypatch):
    def cancel(postings):
        raise database_error("57014", "canceling statement due to statement timeout")

    run = plan(file)
    monkeypatch.setattr("kernel.backfills.applying.apply_run.RETRY_DELAYS", (0, 0))
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(cancel))
    with pytest.raises(CommandError, match="busy for too long: canceling statement due to statement timeout") as stopped:
        run_command("--apply", run.id)
    assert stopped.value.returncode == 4


def test_a_lock_that_is_never_free_is_reported_with_the_databases_reason(plan, run_command, file, monkeypatch):
    def lock(postings):
        raise Busy from database_error("55P03", "canceling statement due to lock timeout")

    run = plan(file)
    monkeypatch.setattr("kernel.backfills.applying.apply_run.RETRY_DELAYS", (0, 0))
    monkeypatch.setattr(ShelfAdapter, "before_post", staticmethod(lock))
    with pytest.raises(CommandError, match="busy for too long: canceling statement due to lock timeout") as stopped:
        run_command("--apply", run.id)
    assert stopped.value.returncode == 4


def test_undo_reverses_every_row_and_deletes_none(plan, run_command, tenant, file):
    run = plan(file)
    run_command("--apply", run.id)
    _, code = run_command("--undo", run.id, "--batch-size", 2)
    assert code == 0
    assert len(moves(tenant)) == 6
    assert sum(pieces for _, shelf, pieces in moves(tenant)) == 0
    run.refresh_from_db()
    assert (run.state, run.undone_rows, run.undone_by) == ("undone", 3, f"command:backfill_shelf_moves:{run.id}")
    with pytest.raises(CommandError, match="there is nothing to take back"):
        run_command("--undo", run.id)
    with pytest.raises(CommandError, match="is undone"):
        run_command("--resume", run.id)


def test_undo_is_refused_with_a_list_where_later_entries_depend_on_it(plan, run_command, tenant, file, tmp_path):
    run = plan(file)
    run_command("--apply", run.id)
    later = plan(write_csv(tmp_path / "later.csv", [["m9", "left", "out", "6", "2026-01-04T00:00:00Z"]]))
    run_command("--apply", later.id)
    with pytest.raises(CommandError, match="left: 6 pieces were taken out since") as refused:
        run_command("--undo", run.id)
    assert refused.value.returncode == 3
    assert len(moves(tenant)) == 4
    run_command("--undo", later.id)
    run_command("--undo", run.id)
    assert sum(pieces for _, _, pieces in moves(tenant)) == 0


def test_a_run_is_found_by_an_end_of_its_id_and_only_by_its_own_command(plan, file):
    run = plan(file)
    assert selectors.get_run(run=str(run.id)[-6:]) == run
    assert selectors.get_run(run=str(run.id)[:14]) == run
    for wrong in ("nothing", "", "%", str(run.id)[::-1]):
        with pytest.raises(NotFound):
            selectors.get_run(run=wrong or "zzz")
    with pytest.raises(NotFound):
        selectors.get_run(run=str(run.id), command="backfill_something_else")


def test_the_summary_for_scripts_is_one_json_object(run_command, tenant, file):
    planned = json.loads(run_command("acme", file, "--plan", "--json")[0])
    assert planned["plan"]["counts"] == {"posted": 3}
    applied = json.loads(run_command("--apply", planned["run"], "--json")[0])
    seconds = applied.pop("seconds")
    assert seconds >= 0
    assert applied == {
        "run": planned["run"],
        "command": "backfill_shelf_moves",
        "tenant": str(tenant.id),
        "state": "finished",
        "source": str(file),
        "file_digest": planned["file_digest"],
        "plan_digest": planned["plan_digest"],
        "rows": 3,
        "position": 3,
        "counts": {"posted": 3},
        "sums": {"pieces": "15.5"},
        "undone_rows": 0,
        "stopped_because": "",
        "rejects": None,
    }


def test_no_process_works_on_a_run_that_stands_still(plan, file):
    run = plan(file)
    assert not locks.is_worked_on(run)
    from kernel.backfills.terminal.stop_requests import Stop

    with locks.hold_run_lock(run, wait=False, stop=Stop()):
        assert locks.is_worked_on(run)
    assert not locks.is_worked_on(run)


def test_a_pacer_slows_down_while_sessions_wait_for_its_locks_and_speeds_up_slowly():
    pacer = Pacer(batch_size=1000)
    assert pacer.after_batch(rows=1000, seconds=0.1, waiting=2) == pytest.approx(0.2)
    assert pacer.size == 500
    for _ in range(5):
        pacer.after_batch(rows=500, seconds=0.1, waiting=1)
    assert pacer.size == 50
    assert pacer.after_batch(rows=50, seconds=0.1, waiting=0) == 0
    assert pacer.size == 100


def test_a_pacer_slows_down_when_commits_get_slower_than_they_began():
    pacer = Pacer(batch_size=100)
    assert [pacer.after_batch(rows=100, seconds=0.1, waiting=0) for _ in range(12)] == [0] * 12
    rests = [pacer.after_batch(rows=100, seconds=0.5, waiting=0) for _ in range(5)]
    assert rests[-1] == pytest.approx(0.4)
    assert "5.0 times" in pacer.note


def test_a_pacer_keeps_the_rate_it_was_given():
    pacer = Pacer(batch_size=100, max_rate=1000)
    rests = [pacer.after_batch(rows=100, seconds=0.0, waiting=0) for _ in range(5)]
    assert rests[-1] == pytest.approx(0.5, abs=0.2)
