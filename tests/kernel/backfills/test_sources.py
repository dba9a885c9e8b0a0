"""Files are read record by record, from anywhere, with the line and byte of each."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.backfills.errors import BadSource, NotAllowed
from kernel.backfills.reading.files.records import MAX_LINE_BYTES
from kernel.backfills.reading.sources import Reading, Source, copy_to_file, find_source

cells = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


def records(path, format="csv", **place):
    with Reading(Source(paths=(path,), format=format), **place) as reading:
        return list(reading)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=6), st.booleans())
def test_whatever_csv_writes_is_read_again_from_every_record_onwards(tmp_path_factory, rows, packed):
    import csv

    text = io.StringIO()
    csv.writer(text).writerows([["a", "b"], *rows])
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    found = records(path)
    assert [record.fields for record in found] == rows
    assert b"".join(record.raw for record in found) == content[len(b"a,b\r\n") :]
    for number, record in enumerate(found):
        rest = records(path, offset=record.end, line=record.end_line)
        assert rest == found[number + 1 :]


def test_a_record_over_several_lines_is_named_by_its_first(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
    assert [(record.line, record.end_line, record.fields) for record in records(path)] == [(2, 3, ["1", "x\ny"]), (5, 5, ["2", "z"])]


def test_a_quote_that_never_ends_harms_its_own_record_and_memory_stays_small(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('a,b\n1,"x\n' + "2,y\n" * 40_000 + "3,z\n")
    first, *others = records(path)
    assert first.fault.startswith("no CSV record: field larger than field limit")
    assert first.fields is None
    assert others[-1].fields == ["3", "z"]
    assert others[-1].line == 40_003


def test_json_lines_keep_every_digit_and_a_bad_line_harms_itself(tmp_path):
    path = tmp_path / "file.jsonl"
    path.write_text('{"a": 1.50, "b": {"z": 2.50}}\n\n[1]\n{"a": \n')
    first, second, third = records(path, "jsonl")
    assert {name: bytes(raw) for name, raw in first.fields.items()} == {"a": b"1.50", "b": b'{"z": 2.50}'}
    assert (second.line, second.fields, second.fault.startswith("no JSON object")) == (3, None, True)
    assert (third.line, third.fields) == (4, None)


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1,"a":2}',
        '{"a": 1, "b": 2, "a": 1}',
        r'{"a":1,"\u0061":2}',
        '{"a":{"x":1},"b":[],"a":null}',
    ],
)
def test_a_name_that_stands_twice_in_a_json_object_is_refused(tmp_path, line):
    path = tmp_path / "file.jsonl"
    path.write_text(line + "\n" + '{"a":1}\n')
    first, second = records(path, "jsonl")
    assert (first.fields, first.fault) == (None, "the object names a more than once")
    assert second.fault == ""


@pytest.mark.parametrize("line", ["{}", '{"a":1}', ' {"a" : 1 , "b":{"a":2, "a":3}} ', '{"ä":"ä","\U0001f600":1}', r'{"\u00e4":1}'])
def test_names_that_stand_once_are_taken_however_the_object_is_written(tmp_path, line):
    path = tmp_path / "file.jsonl"
    path.write_text(line + "\n")
    assert records(path, "jsonl")[0].fault == ""


def test_a_mark_at_the_beginning_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    source = Source(paths=(path,), format="csv")
    assert source.columns() == ["a", "b"]
    assert records(path)[0].end == len(b"a,b\n1,2\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"a,a\n1,2\n", "names 'a' more than once"),
        (b"a,b\n" + b"x" * (MAX_LINE_BYTES + 1), "longer than"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 100, mtime=0)[:-12], "damaged or cut off"),
    ],
)
def test_a_file_that_is_no_input_is_refused_in_words(tmp_path, content, says):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(BadSource, match=says):
        records(path)


def test_what_a_name_does_not_say_must_be_said(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("a\n1\n")
    with pytest.raises(BadSource, match="--format"):
        find_source([str(path)], format=None)
    with pytest.raises(BadSource, match="no such file"):
        find_source([str(tmp_path / "none.csv")], format=None)
    assert find_source([str(path)], format="csv").format == "csv"


def test_standard_input_is_kept_under_its_own_hash(tmp_path, settings):
    settings.BACKFILL_FOLDER = tmp_path / "var" / "backfills"
    first = copy_to_file(io.BytesIO(b"a\n1\n"), format="csv")
    assert copy_to_file(io.BytesIO(b"a\n1\n"), format="csv") == first
    assert first.read_bytes() == b"a\n1\n"
    with pytest.raises(BadSource, match="--format"):
        copy_to_file(io.BytesIO(b""), format=None)


@pytest.mark.parametrize("change", ["append", "replace", "delete"])
def test_a_file_that_changes_under_the_reader_is_noticed(tmp_path, change):
    path = tmp_path / "file.csv"
    path.write_text("a\n1\n")
    with Reading(Source(paths=(path,), format="csv")) as reading:
        reading.check_unchanged()
        if change == "append":
            with path.open("a") as file:
                file.write("2\n")
        else:
            path.unlink()
        if change == "replace":
            path.write_text("a\n2\n\n")
        with pytest.raises(NotAllowed, match="changed while it was being read"):
            reading.check_unchanged()
