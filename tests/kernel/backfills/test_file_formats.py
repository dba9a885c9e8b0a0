"""A file in any of its formats gives the same rows, from any of them onwards; what can't be read is refused in a sentence."""

import csv
import datetime
import gzip
import io
import json
import random
import zipfile
from datetime import UTC
from decimal import Decimal

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError

from kernel.backfills.errors import BadSource
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.files import json_items
from kernel.backfills.reading.files.records import Layout
from kernel.backfills.reading.sources import Reading, Source, find_source
from tests.kernel.backfills.example_ledger import moves

HEADER = ["move_id", "shelf", "kind", "pieces", "occurred_at"]
ROWS = [["m1", "left", "in", "10", "2026-01-01T00:00:00Z"], ["m2", "left", "out", "4.50", "2026-01-02T00:00:00Z"]]
OBJECTS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
TEXT = "".join(",".join(row) + "\n" for row in [HEADER, *ROWS])
MOVED = [("m1", "left", Decimal(10)), ("m2", "left", Decimal("-4.50"))]


def zipped(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name.replace("_csv", ".csv"), text)
    return content.getvalue()


def parquet(**columns):
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content, row_group_size=1)
    return content.getvalue()


def workbook(*sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


PARQUET = parquet(
    move_id=["m1", "m2"],
    shelf=pyarrow.array(["left", "left"]).dictionary_encode(),
    kind=pyarrow.array([b"in", b"out"]),
    pieces=pyarrow.array([10.0, 4.5]),
    occurred_at=pyarrow.array(
        [datetime.datetime(2026, 1, 1, tzinfo=UTC), datetime.datetime(2026, 1, 2, tzinfo=UTC)], pyarrow.timestamp("ms", tz="Europe/Berlin")
    ),
)
DATES = [["m1", "left", "in", 10, datetime.date(2026, 1, 1)], ["m2", "left", "out", 4.5, datetime.datetime(2026, 1, 2)]]  # noqa: DTZ001 - a cell has no zone
FILES = {
    "history.csv": (TEXT.encode(), []),
    "marked.csv": (b"\xef\xbb\xbf" + TEXT.encode(), []),
    "utf16.csv": (TEXT.encode("utf-16"), []),
    "unmarked.csv": (TEXT.encode("utf-16-be"), ["--encoding", "utf-16-be"]),
    "latin.csv": (TEXT.replace("left", "lêft").encode("latin-1"), ["--encoding", "latin-1", "--map-value", "shelf:lêft=left"]),
    "tabs.tsv": (TEXT.replace(",", "\t").encode(), ["--delimiter", "tab"]),
    "below.csv": (f"Export of today\n\n{TEXT}".encode(), ["--skip-lines", "2"]),
    "headless.csv": (TEXT.partition("\n")[2].encode(), ["--columns", ",".join(HEADER)]),
    "packed.csv.gz": (gzip.compress(TEXT.encode()), []),
    "packed.csv.zip": (zipped(**{"history_csv": TEXT, "__MACOSX/x": "rest"}), []),
    "lines.jsonl": ("".join(f"{json.dumps(row)}\n" for row in OBJECTS).encode(), []),
    "lines.json": ("".join(f"{json.dumps(row)}\n" for row in OBJECTS).encode(), []),
    "array.json": (json.dumps(OBJECTS).encode(), []),
    "pretty.json": (json.dumps(OBJECTS, indent=2).encode(), []),
    "pages.json": (
        b"\n".join(json.dumps({"object": "page", "skipped": [[1]], "data": [row], "next": None}).encode() for row in OBJECTS),
        ["--items", "data"],
    ),
    "list_of_pages.json": (json.dumps([{"data": OBJECTS}, {"data": []}]).encode(), ["--items", "data"]),
    "nested.json": (
        json.dumps({"data": [{"shelf": "left", "results": [{k: v for k, v in row.items() if k != "shelf"} for row in OBJECTS]}]}).encode(),
        ["--items", "data.results"],
    ),
    "ours.parquet": (PARQUET, []),
    "sheet.xlsx": (workbook(("Moves", [HEADER, *DATES]), ("Notes", [["x"]])), ["--timezone", "UTC"]),
    "second.xlsx": (
        workbook(("Notes", [["x"]]), ("Moves", [["of today"], HEADER, *DATES])),
        ["--sheet", "Moves", "--skip-lines", "1", "--timezone", "UTC"],
    ),
}


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_every_format_brings_the_same_rows(plan, run_command, tenant, write):
    for number, (name, (content, options)) in enumerate(FILES.items()):
        run = plan(write(name, content), *options)
        assert (name, run.plan["counts"]) == (name, {"posted": 2} if not number else {"already_there": 2})
        run_command("--apply", run.id)
    assert moves(tenant) == MOVED


@pytest.mark.parametrize("name", FILES)
def test_a_reading_goes_on_after_any_record(write, name):
    content, options = FILES[name]
    given = {option.removeprefix("--").replace("-", "_"): value for option, value in zip(options[::2], options[1::2], strict=True)}
    layout = Layout(
        encoding=given.get("encoding", ""),
        delimiter="\t" if "delimiter" in given else ",",
        items=tuple(given["items"].split(".")) if "items" in given else (),
        sheet=given.get("sheet", ""),
        skip_lines=int(given.get("skip_lines", 0)),
        columns=tuple(given["columns"].split(",")) if "columns" in given else (),
    )
    source = find_source([str(write(name, content))], format=None, layout=layout)
    with Reading(source) as reading:
        whole = list(reading)
    assert len(whole) == 2
    for number, record in enumerate(whole):
        with Reading(source, offset=record.end, line=record.end_line) as reading:
            assert list(reading) == whole[number + 1 :]


BAD_FILES = {
    "half.zip": (zipped(history_csv=TEXT)[:-30], [], "half.zip: the zip is damaged or cut off: File is not a zip file."),
    "two.zip": (zipped(a_csv=TEXT, b_csv=TEXT), [], r"holds 2 files (a.csv, b.csv) where it may hold one."),
    "cut.csv": (TEXT.encode("utf-16")[:-1], [], "is not utf-16-le, or is cut off: truncated data"),
    "plain.csv": (TEXT.encode(), ["--encoding", "utf-16"], "has no byte order mark: name --encoding utf-16-le or utf-16-be."),
    "half.json": (json.dumps(OBJECTS).encode()[:-4], [], "half.json is no whole JSON: it ends within the value at line 1."),
    "open.json": (json.dumps(OBJECTS).encode()[:-1], [], "is no whole JSON: , or ] was expected at line 1, where the text ends."),
    "long.json": (b'[{"a": "' + b"x" * (5 * 1024 * 1024) + b'"}]', [], "the value at line 1 is longer than 4194304 bytes."),
    "pages.json": (
        b'{"object": 1, "rows": []}',
        ["--items", "data"],
        "no object has a list 'data', as --items says. It has: object, rows.",
    ),
    "text.parquet": (TEXT.encode(), [], "is no Parquet file that can be read, or is cut off"),
    "half.parquet": (PARQUET[: len(PARQUET) // 2], [], "is no Parquet file that can be read, or is cut off"),
    "odd.parquet": (
        parquet(move_id=["m1"], took=pyarrow.array([5], pyarrow.duration("s"))),
        [],
        "column 'took' has the type duration[s], which can't be read here. Write it as text, or leave it out with --ignore took.",
    ),
    "half.xlsx": (FILES["sheet.xlsx"][0][:-100], [], "is no XLSX file, or is cut off: File is not a zip file."),
    "none.xlsx": (FILES["sheet.xlsx"][0], ["--sheet", "Other"], "has no sheet 'Other'. It has: Moves, Notes."),
    "formula.xlsx": (
        workbook(("Moves", [HEADER, ["m1", "left", "in", "=1+1", "2026-01-01"]])),
        [],
        "cell D2 is a formula. Save the sheet with values only (copy, paste as values), or as CSV.",
    ),
    "items.csv": (TEXT.encode(), ["--items", "data"], "--items belongs to JSON"),
}


@pytest.mark.django_db
@pytest.mark.usefixtures("book", "tenant")
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_none_is_refused_in_a_sentence_and_nothing_is_written(run_command, write, name):
    content, options, says = BAD_FILES[name]
    with pytest.raises(CommandError) as refused:
        run_command("acme", write(name, content), "--plan", *options)
    assert says in str(refused.value)
    assert refused.value.returncode == 3
    assert not BackfillRun.objects.exists()


def test_a_json_text_may_be_cut_into_chunks_anywhere(write, monkeypatch):
    values = [{"a": 'x" \\ {[', "b": [1, {"c": "\u00e9"}], "n": 12.50, "e": {}}, {"a": ""}, {}]
    for indent, size in [(None, 1), (None, 2), (2, 3), (2, 7), (None, 1000)]:
        monkeypatch.setattr(json_items, "CHUNK", size)
        path = write("any.json", json.dumps({"x": ["]"], "data": values, "y": None}, indent=indent).encode())
        with Reading(Source(paths=(path,), format="json", layout=Layout(items=("data",)))) as reading:
            records = list(reading)
        assert [json.loads(record.raw) for record in records] == values
        assert {record.fault for record in records} == {""}


def test_values_of_parquet_are_exact_texts(write):
    content = parquet(
        small=pyarrow.array([3.45e-05, None]),
        single=pyarrow.array([0.1, 1e20], pyarrow.float32()),
        exact=pyarrow.array([Decimal("1.500000000000000001"), None], pyarrow.decimal128(38, 18)),
        whole=pyarrow.array([2**63, None], pyarrow.uint64()),
        flag=pyarrow.array([True, None]),
        day=pyarrow.array([datetime.date(2026, 1, 31), None]),
        local=pyarrow.array([datetime.datetime(2026, 1, 31, 12, 0, 0, 5), None]),  # noqa: DTZ001 - a column without a zone
        nested=pyarrow.array([{"a": [Decimal("1.00"), Decimal("2.50")]}, None]),
        nothing=pyarrow.nulls(2),
    )
    with Reading(Source(paths=(write("any.parquet", content),), format="parquet")) as reading:
        first, second = list(reading)
    assert dict(zip(reading.header, first.fields, strict=True)) == {
        "small": "0.0000345",
        "single": "0.1",
        "exact": "1.500000000000000001",
        "whole": "9223372036854775808",
        "flag": "true",
        "day": "2026-01-31",
        "local": "2026-01-31 12:00:00.000005",
        "nested": '{"a":[1.00,2.50]}',
        "nothing": "",
    }
    assert second.fields == ["", "100000000000000000000", "", "", "", "", "", "", ""]


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_several_files_are_one_run_in_their_order(plan, run_command, tenant, tmp_path):
    for number, rows in enumerate(
        [[ROWS[0], ["bad", "left", "in", "x", "2026-01-01"]], [ROWS[1], ["bad", "left", "in", "y", "2026-01-01"]]]
    ):
        (tmp_path / f"part-{number}.csv").write_text("".join(",".join(row) + "\n" for row in [HEADER, *rows]))
    run = plan(tmp_path / "part-*.csv")
    assert (run.rows, run.plan["counts"]) == (4, {"posted": 2, "invalid": 2})
    assert [example["place"] for example in run.plan["examples"]] == ["line 3 of part-0.csv", "line 3 of part-1.csv"]
    _, code = run_command("--apply", run.id, "--batch-size", 1, "--rejects", tmp_path / "rejects.csv")
    assert (code, moves(tenant)) == (1, MOVED)
    with (tmp_path / "rejects.csv").open() as file:
        assert [row["_line"] for row in csv.DictReader(file)] == ["part-0.csv:3", "part-1.csv:3"]
    (tmp_path / "part-2.csv").write_text("move_id,shelf\n")
    with pytest.raises(CommandError, match=r"part-2.csv has other columns than .*part-0.csv: move_id, shelf"):
        run_command("acme", tmp_path / "part-*.csv", "--plan")
    with pytest.raises(CommandError, match="is named more than once"):
        run_command("acme", tmp_path / "part-0.csv", tmp_path / "part-0.csv", "--plan")
    (tmp_path / "part-3.json").write_text("[]")
    with pytest.raises(CommandError, match="The files have different formats: csv, json"):
        run_command("acme", tmp_path / "part-0.csv", tmp_path / "part-3.json", "--plan")


@pytest.mark.parametrize("name", ["packed.csv.gz", "packed.csv.zip", "array.json", "ours.parquet", "sheet.xlsx"])
def test_any_byte_may_be_damaged(write, name):
    content, generator = FILES[name][0], random.Random(7)
    for _ in range(40):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 3])):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        source = Source(
            paths=(write(name, bytes(damaged)),), format={"gz": "csv", "zip": "csv"}.get(name.rsplit(".")[-1], name.rsplit(".")[-1])
        )
        try:
            with Reading(source) as reading:
                list(reading)
        except BadSource:
            continue
