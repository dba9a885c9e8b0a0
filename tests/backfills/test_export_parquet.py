"""Parquet as a reader of it sees it: every value of every ledger, in its own type, in row groups that fit into memory."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from backoffice.exports.ledger_files import EXPORTS
from kernel.ledger.exports import writing
from kernel.ledger.exports.definitions import Field, Kind, LedgerFile
from kernel.ledger.exports.writing import PARQUET, write_export
from tests.backfills.test_export_ledger import TRIPS
from tests.backfills.test_exports_for_the_record import fill_corrections, fill_holds, fill_rules, fill_settings, fill_webhooks

pytestmark = pytest.mark.django_db
TYPES = {
    Kind.MONEY: pyarrow.decimal128(38, 18),
    Kind.MOMENT: pyarrow.timestamp("us", tz="UTC"),
    Kind.DAY: pyarrow.date32(),
    Kind.WHOLE: pyarrow.int64(),
    Kind.FLAG: pyarrow.bool_(),
}
READ = {
    Kind.MONEY: Decimal,
    Kind.MOMENT: lambda written: datetime.fromisoformat(written).astimezone(UTC),
    Kind.DAY: date.fromisoformat,
    Kind.WHOLE: int,
    Kind.FLAG: lambda written: written == "true",
}


@pytest.fixture
def full(context):
    """A ledger with a row or more for nearly every export."""
    for trip in TRIPS.values():
        trip.fill(context)
    fill_settings(context)
    fill_holds(context)
    fill_corrections(context)
    fill_rules(context)
    fill_webhooks(context)


def written(path, book, format):
    call_command("export_ledger", "acme", book, "--format", format, "--output", str(path / f"{book}.{format}"))
    return path / f"{book}.{format}"


@pytest.mark.parametrize("book", [name for name in EXPORTS if not name.startswith("backfill")])
def test_every_value_comes_out_in_its_type(full, tmp_path, book):
    table = pyarrow.parquet.read_table(written(tmp_path, book, "parquet"))
    lines = written(tmp_path, book, "jsonl").read_text().splitlines()
    fields = EXPORTS[book].fields
    assert [(field.name, field.type) for field in table.schema] == [
        (field.name, TYPES.get(field.kind, pyarrow.string())) for field in fields
    ]
    rows = table.to_pylist()
    assert len(rows) == len(lines) > 0
    for row, line in zip(rows, lines, strict=True):
        line_row = json.loads(line, parse_float=Decimal)
        for field in fields:
            value = line_row.get(field.name)
            if field.kind == Kind.JSON and row[field.name] is not None:
                assert json.loads(row[field.name], parse_float=Decimal) == (
                    json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
                )
            else:
                assert row[field.name] == (None if value is None else READ.get(field.kind, str)(value)), field.name


def test_the_smallest_and_the_largest_amount_keep_every_digit(tmp_path):
    largest = Decimal("99999999999999999999.999999999999999999")
    smallest = Decimal("-0.000000000000000001")
    source = f"(VALUES ({largest}), ({smallest}), (NULL)) AS given (amount) WHERE %(tenant)s::uuid IS NOT NULL"
    export = LedgerFile(name="x", description="", row="given", fields=(Field("amount", kind=Kind.MONEY),), source=source, tables=())
    table = read_back(export, tmp_path)
    assert table.column("amount").to_pylist() == [largest, smallest, None]


def read_back(export, tmp_path):
    with (tmp_path / "x.parquet").open("wb") as file:
        write_export(export, tenant_id=uuid4(), file=file, format=PARQUET)
    return pyarrow.parquet.read_table(tmp_path / "x.parquet")


def series(rows, *, letters):
    fields = (Field("number", kind=Kind.WHOLE), Field("note", f"repeat('x', {letters})"))
    source = f"generate_series(1, {rows}) AS given (number) WHERE %(tenant)s::uuid IS NOT NULL"
    return LedgerFile(name="series", description="", row="given", fields=fields, source=source, tables=())


@pytest.mark.parametrize(("rows", "letters", "groups"), [(50_000, 10, 3), (4_000, 10_000, 3)])
def test_a_large_book_is_written_in_groups_and_never_gathered(tmp_path, rows, letters, groups):
    """A group ends by its rows or by its bytes, and what it held is free again before the next one grows."""
    held = []
    path = tmp_path / "series.parquet"
    before = pyarrow.total_allocated_bytes()
    with path.open("wb") as file:
        export = series(rows, letters=letters)
        count = write_export(
            export, tenant_id=uuid4(), file=file, format=PARQUET, on_rows=lambda _: held.append(pyarrow.total_allocated_bytes() - before)
        )
    kept = pyarrow.parquet.ParquetFile(path)
    assert (count, kept.metadata.num_rows) == (rows, rows)
    sizes = [kept.metadata.row_group(number).num_rows for number in range(kept.metadata.num_row_groups)]
    assert len(sizes) == groups if letters == 10 else len(sizes) >= 2
    assert max(sizes) <= writing.GROUP_ROWS
    assert max(held) < writing.GROUP_BYTES + writing.CHUNK * (letters + 100)
    assert kept.read().column("number").to_pylist() == list(range(1, rows + 1))


def test_without_its_package_it_is_refused_in_words_and_leaves_no_file(tmp_path, tenant, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CommandError, match="Parquet needs the package pyarrow: install it beside the service, or take csv") as refused:
        call_command("export_ledger", "acme", "credit-grants", "--output", str(tmp_path / "a.parquet"))
    assert refused.value.returncode == 3
    assert list(tmp_path.iterdir()) == []
