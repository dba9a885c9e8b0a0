"""How a file writes its values is said once, kept with the run, and read exactly; what is ambiguous is refused by row."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from django.core.management import CommandError
from django.db import connection

from kernel.backfills.reading.columns import Column, Invalid, day, moment
from kernel.backfills.reading.files.records import TypedText
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.time_formats import TimeFormat, with_time_format
from tests.kernel.backfills.example_ledger import moves

HEADER = "move_id,shelf,kind,pieces,occurred_at\n"


def read(written, *, pattern="iso", zone="", reader=moment):
    column = with_time_format(Column("occurred_at", reader), TimeFormat(formats={"": pattern}, timezone=zone))
    return column.read_json(msgspec.Raw(written)) if isinstance(written, bytes) else column.read(written)


@pytest.mark.parametrize(
    ("written", "options", "instant"),
    [
        ("2024-01-02T10:15:00Z", {}, datetime(2024, 1, 2, 10, 15, tzinfo=UTC)),
        ("2024-01-02 10:15:00 UTC", {}, datetime(2024, 1, 2, 10, 15, tzinfo=UTC)),
        ("2024-01-02 10:15:00.25+00", {}, datetime(2024, 1, 2, 10, 15, 0, 250_000, tzinfo=UTC)),
        ("2024-01-02 10:15:00 +0200", {}, datetime(2024, 1, 2, 8, 15, tzinfo=UTC)),
        ("2024-01-02", {}, datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-01-02", {"zone": "Europe/Berlin"}, datetime(2024, 1, 1, 23, tzinfo=UTC)),
        ("2024-01-02 10:15", {"zone": "Europe/Berlin"}, datetime(2024, 1, 2, 9, 15, tzinfo=UTC)),
        ("2024-07-02T10:15:00", {"zone": "America/New_York"}, datetime(2024, 7, 2, 14, 15, tzinfo=UTC)),
        ("2024-07-02T10:15:00Z", {"zone": "America/New_York"}, datetime(2024, 7, 2, 10, 15, tzinfo=UTC)),
        ("1764115200", {"pattern": "epoch-s"}, datetime(2025, 11, 26, tzinfo=UTC)),
        ("1764115200.5", {"pattern": "epoch-s"}, datetime(2025, 11, 26, 0, 0, 0, 500_000, tzinfo=UTC)),
        (b"1764115200123", {"pattern": "epoch-ms"}, datetime(2025, 11, 26, 0, 0, 0, 123_000, tzinfo=UTC)),
        ("-1", {"pattern": "epoch-us"}, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("31.12.2023", {"pattern": "%d.%m.%Y"}, datetime(2023, 12, 31, tzinfo=UTC)),
        ("31.12.2023 08:30", {"pattern": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, datetime(2023, 12, 31, 7, 30, tzinfo=UTC)),
        ("12/31/23 08:30 PM -0500", {"pattern": "%m/%d/%y %I:%M %p %z"}, datetime(2024, 1, 1, 1, 30, tzinfo=UTC)),
        ("02 Jan 2024 10:15 UTC", {"pattern": "%d %b %Y %H:%M %Z"}, datetime(2024, 1, 2, 10, 15, tzinfo=UTC)),
        (TypedText("2024-01-02 10:15:00"), {"pattern": "%d.%m.%Y", "zone": "UTC"}, datetime(2024, 1, 2, 10, 15, tzinfo=UTC)),
        ("31.12.2023", {"pattern": "%d.%m.%Y", "reader": day, "zone": "Asia/Tokyo"}, date(2023, 12, 31)),
        ("2023-12-31", {"zone": "Asia/Tokyo", "reader": day}, date(2023, 12, 31)),
        ("2023-12-31T20:00:00Z", {"zone": "Asia/Tokyo", "reader": day}, date(2024, 1, 1)),
        (b"null", {"pattern": "epoch-s"}, None),
    ],
)
def test_a_time_is_read_as_the_file_writes_it(written, options, instant):
    assert read(written, **options) == instant


@pytest.mark.parametrize(
    ("written", "options", "says"),
    [
        ("2024-01-02 10:15", {}, "Without an offset it needs --timezone"),
        ("2024-10-27 02:30", {"zone": "Europe/Berlin"}, "came twice, as clocks were set back: write its offset"),
        ("2024-03-31 02:30", {"zone": "Europe/Berlin"}, "never came, as clocks were set forward"),
        ("27.10.2024 02:30", {"pattern": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, "came twice"),
        ("2024-01-02 10:15", {"pattern": "%d.%m.%Y"}, "must be a time of the form %d.%m.%Y"),
        ("31.02.2023", {"pattern": "%d.%m.%Y"}, "must be a time of the form"),
        ("01.02.2023 10:00", {"pattern": "%d.%m.%Y %H:%M"}, "needs --timezone"),
        ("02 Jan 2024 10:15 CET", {"pattern": "%d %b %Y %H:%M %Z"}, "must be a time of the form|names a zone that isn't UTC"),
        ("1764115200000", {"pattern": "epoch-s"}, "Milliseconds are --date-format epoch-ms"),
        ("yesterday", {"pattern": "epoch-s"}, "must be a number of seconds since 1970"),
        (b"1764115200", {}, "must be a JSON string, or --date-format must be epoch-s"),
        ("٣١.12.2023", {"pattern": "%d.%m.%Y"}, "must be a time of the form"),
        ("2024-01-02T10:15:00 Europe/Berlin", {}, "must be a time"),
    ],
)
def test_a_time_that_is_ambiguous_or_of_another_form_is_refused(written, options, says):
    with pytest.raises(Invalid, match=says):
        read(written, **options)


def test_every_option_is_kept_with_the_run():
    options = ReadingOptions(skips=(("a", "#*"),), key_from=("a", "_line"), nulls=("NULL",), times=TimeFormat({"": "epoch-s"}, "UTC"))
    assert ReadingOptions.from_json(json.loads(json.dumps(options.as_json()))) == options


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_an_export_of_a_bank_comes_in_by_options_alone(plan, run_command, tenant, tmp_path):
    """Lines above the header, semicolons, decimal commas, local dates, a column for the sign, a total, texts for nothing."""
    path = tmp_path / "bank.csv"
    path.write_bytes(
        "Umsätze;;;;\r\nvom heutigen Tag;;;;\r\n"
        "Buchung;Text;Betrag;S/H;Konto\r\n"
        "31.12.2023;Lohn;1.234,50;H;LEFT\r\n"
        "31.12.2023;Auto;234,50;S;LEFT\r\n"
        "31.12.2023;Tee;n/a;S;LEFT\r\n"
        "# Entwurf\r\n"
        "Summe;;1.000,00;H;\r\n".encode("latin-1")
    )
    forms = ["--encoding", "latin-1", "--skip-lines", 2, "--delimiter", "semicolon", "--decimal", "comma", "--thousands", "point"]
    times = ["--date-format", "%d.%m.%Y", "--timezone", "Europe/Berlin", "--null", "n/a"]
    names = ["--map", "Buchung=occurred_at", "--map", "Betrag=pieces", "--map", "Konto=shelf", "--map", "Text=note.text"]
    signs = ["--sign-from", "S/H", "--key-from", "=bank,Buchung,Text", "--set", "kind=in", "--map-value", "shelf:LEFT=left"]
    run = plan(path, *forms, *times, *names, *signs, "--skip-rows-where", "Buchung=Summe", "--skip-rows-where", "Buchung=#*")
    assert run.plan["counts"] == {"posted": 1, "invalid": 2, "skipped": 2}
    assert [example["why"] for example in run.plan["examples"]] == ["Betrag: must not be negative", "Betrag: is required and has no value"]
    _, code = run_command("--apply", run.id)
    assert (code, moves(tenant)) == (1, [("bank/31.12.2023/Lohn", "left", Decimal("1234.50"))])
    with connection.cursor() as cursor:
        cursor.execute("SELECT note, occurred_at AT TIME ZONE 'UTC' FROM shelf_move")
        assert cursor.fetchone() == ('{"text":"Lohn"}', datetime(2023, 12, 30, 23))  # noqa: DTZ001 - the query took the zone off


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_pages_of_json_come_in_by_options_alone(plan, run_command, tenant, tmp_path):
    """Nested members, seconds since 1970, exponents, and members of an object of ours."""
    item = {"id": "m1", "amount": {"value": 3.45e-05, "currency": "usd"}, "at": 1764115200, "tags": ["a"], "n": None}
    path = tmp_path / "pages.json"
    path.write_text(json.dumps({"data": [{"shelf": "left", "results": [item, {**item, "id": "m2", "amount": None}]}]}))
    names = ["--map", "id=move_id", "--map", "amount.value=pieces", "--map", "at=occurred_at", "--map", "amount.currency=note.currency"]
    names += ["--map", "tags=note.tags", "--map", "n=note.n", "--set", "kind=in"]
    run = plan(path, "--items", "data.results", *names, "--date-format", "epoch-s", "--numbers", "scientific")
    assert run.plan["counts"] == {"posted": 1, "invalid": 1}
    run_command("--apply", run.id)
    assert moves(tenant) == [("m1", "left", Decimal("0.0000345"))]
    with connection.cursor() as cursor:
        cursor.execute("SELECT note FROM shelf_move")
        assert cursor.fetchone() == ('{"currency":"usd","tags":["a"]}',)
    assert run.rejects.get().why == "amount.value: is required and has no value"


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_amounts_in_two_columns_are_one_amount(plan, tenant, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_text(
        "id,paid in,paid out,shelf,kind\na,5,,left,in\nb,,2,left,in\nc,0.00,3,left,in\nd,1,1,left,in\ne,x,,left,in\nf,,y,left,in\n"
    )
    names = ["--map", "id=move_id", "--map", "paid in=pieces", "--map", "paid out=-pieces", "--set", "occurred_at=2026-01-01"]
    assert [example["why"] for example in plan(path, *names).plan["examples"]] == [
        "paid in: must not be negative",
        "paid in: must not be negative",
        "paid out: has an amount where another column of pieces has one too",
        "paid in: must be a plain decimal such as 12.50, not 'x'",
        "paid out: must be a plain decimal such as 12.50, not 'y'",
    ]


REFUSED = {
    "Every row needs shelf, kind": ["--ignore", "shelf", "--ignore", "kind"],
    "there is no column piece \\(perhaps pieces\\)": ["--map", "a=piece"],
    "The file has no column peices.* It has 'pieces' where 'peices' was expected": ["--map", "peices=pieces"],
    "--timezone Berlin: there is no such time zone": ["--timezone", "Berlin"],
    "--date-format %Q: %Q is not known": ["--date-format", "%Q"],
    "--date-format %H:%M: must be iso, epoch-s": ["--date-format", "%H:%M"],
    "--upper colour: there is no such column": ["--upper", "colour"],
    "--type-from-sign: shelf moves have no type": ["--type-from-sign", "a,b"],
    "The file has no column b": ["--key-from", "a,b"],
}


@pytest.mark.django_db
@pytest.mark.usefixtures("book", "tenant")
@pytest.mark.parametrize("says", REFUSED)
def test_options_that_can_not_be_meant_are_refused_before_a_row_is_read(run_command, tmp_path, says):
    path = tmp_path / "moves.csv"
    path.write_text(f"a,{HEADER}1,m1,left,in,1,2026-01-01\n")
    with pytest.raises(CommandError, match=says) as refused:
        run_command("acme", path, "--plan", "--ignore", "a", *REFUSED[says])
    assert refused.value.returncode == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("book", "tenant")
def test_every_unknown_column_is_named_with_its_nearest(run_command, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_text("move_id,shelf,kind,Peices,when,occured_at\nm1,left,in,1,x,y\n")
    with pytest.raises(CommandError, match=r"3 columns .*: 'Peices' \(perhaps pieces\), 'when', 'occured_at' \(perhaps occurred_at\)\."):
        run_command("acme", path, "--plan")


@pytest.mark.parametrize("wrong", [["--skip-lines", "x"], ["--key-from", "a,,b"], ["--items", "a..b"], ["--encoding", "ebcdic"]])
def test_a_value_that_no_option_has_is_wrong_usage(run_command, tmp_path, wrong):
    with pytest.raises(CommandError, match="argument"):
        run_command("acme", tmp_path / "x.csv", "--plan", *wrong)


@pytest.mark.django_db
@pytest.mark.usefixtures("book", "tenant")
def test_files_may_stand_between_options(run_command, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}{name},left,in,1,2026-01-01\n")
    text, code = run_command("acme", "--plan", tmp_path / "a.csv", "--no-progress", tmp_path / "b.csv")
    assert (code, "2 rows" in text) == (0, True)
