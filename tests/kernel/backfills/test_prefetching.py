"""The process that reads ahead: what it finds comes back, what goes wrong too, and it never outlives whom it reads for."""

import gzip
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
from django.db import connection

from kernel.backfills.errors import BadSource, ReaderLost
from kernel.backfills.make_reader import make_reader
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.prefetching import read_chunks
from kernel.backfills.reading.sources import Reading, Source
from tests.kernel.backfills.example_ledger import ShelfAdapter, write_csv

ROWS = [[f"m{number}", "left", "in", "1" if number % 5 else "x", "2026-01-01T00:00:00Z"] for number in range(1, 96)]


@pytest.fixture
def source(tmp_path):
    return Source(paths=(write_csv(tmp_path / "moves.csv", ROWS),), format="csv")


def chunks_of(reading, size):
    reader = make_reader(ShelfAdapter(), tenant=None, source=reading.source, options=ReadingOptions())
    return closing(read_chunks(reading, reader, size=size))


@pytest.fixture(autouse=True)
def earlier(monkeypatch):
    """Processes that other tests of this worker have left, which none here may count."""
    monkeypatch.setattr(sys.modules[__name__], "EARLIER", {child.pid for child in psutil.Process().children()})


EARLIER: set[int] = set()


def children():
    return [child for child in psutil.Process().children() if child.pid not in EARLIER]


def test_every_row_comes_once_in_order_with_its_problems_place_and_bytes(source):
    with Reading(source) as reading, chunks_of(reading, 10) as chunks:
        found = list(chunks)
    assert [len(chunk) for chunk in found] == [10] * 9 + [5]
    rows = [row for chunk in found for row in chunk]
    assert [row.raw.decode().rstrip("\n").split(",") for row in rows] == ROWS
    assert [row.line for row in rows] == list(range(2, 97))
    assert rows[-1].end == source.size()
    assert [row.line for row in rows if row.problems] == [row.line for row in rows if row.posting is None] == list(range(6, 97, 5))
    assert rows[0].posting.key == "m1"
    assert children() == []


def test_it_goes_on_from_any_row(source):
    with Reading(source) as reading, chunks_of(reading, 20) as chunks:
        first = next(chunks)
    with Reading(source, offset=first[-1].end, line=first[-1].end_line) as reading, chunks_of(reading, 200) as chunks:
        assert [row.line for row in next(chunks)] == list(range(22, 97))
    assert children() == []


def test_a_fault_of_the_file_is_raised_here(tmp_path):
    path = write_csv(tmp_path / "moves.csv", ROWS * 500)
    path.write_bytes(gzip.compress(path.read_bytes())[:-12])
    with (
        Reading(Source(paths=(path,), format="csv")) as reading,
        chunks_of(reading, 1000) as chunks,
        pytest.raises(BadSource, match="damaged or cut off"),
    ):
        list(chunks)
    assert children() == []


def test_a_fault_of_ours_is_raised_here_as_what_it_is(source, monkeypatch):
    def fail(self, values):
        raise ZeroDivisionError(values["move_id"])

    monkeypatch.setattr(ShelfAdapter, "prepare", fail)
    with Reading(source) as reading, chunks_of(reading, 10) as chunks, pytest.raises(ZeroDivisionError, match="m1"):
        list(chunks)


def test_a_killed_reader_is_reported_instead_of_taken_for_the_end_of_the_file(tmp_path):
    source = Source(paths=(write_csv(tmp_path / "many.csv", ROWS * 500),), format="csv")
    with Reading(source) as reading, chunks_of(reading, 1000) as chunks:
        next(chunks)
        [child] = children()
        child.kill()
        with pytest.raises(ReaderLost, match="was ended"):
            list(chunks)


def test_a_reader_that_is_killed_within_a_message_is_reported(tmp_path):
    source = Source(paths=(write_csv(tmp_path / "many.csv", ROWS * 500),), format="csv")
    with Reading(source) as reading, chunks_of(reading, 10_000) as chunks:
        next(chunks)
        # The next chunk is far larger than the pipe's buffer: the child waits in the middle of sending it.
        [child] = children()
        until = time.monotonic() + 60
        while child.status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < until
            time.sleep(0.05)
        child.kill()
        with pytest.raises(ReaderLost, match="was ended by signal 9, perhaps because the machine ran out of memory"):
            next(chunks)
    chunks.close()
    assert children() == []


@pytest.mark.django_db
def test_it_holds_no_connection_to_the_database_and_no_file_but_its_own(tmp_path):
    connection.ensure_connection()
    source = Source(paths=(write_csv(tmp_path / "many.csv", ROWS * 500),), format="csv")
    with Reading(source) as reading, chunks_of(reading, 1000) as chunks:
        next(chunks)
        [child] = children()
        assert child.net_connections(kind="all") == []
        # The standard streams, the file and the pipe.
        assert child.num_fds() == 5
    connection.ensure_connection()
    assert connection.is_usable()


READ_AND_WAIT = """
import sys, time
from pathlib import Path
import psutil, django
django.setup()
from tests.kernel.backfills.test_prefetching import Reading, Source, chunks_of
with Reading(Source(paths=(Path(sys.argv[1]),), format="csv")) as reading, chunks_of(reading, 1000) as chunks:
    next(chunks)
    [child] = psutil.Process().children()
    print(child.pid, flush=True)
    time.sleep(600)
"""


def test_the_reader_process_ends_when_its_parent_is_killed(tmp_path):
    path = write_csv(tmp_path / "many.csv", ROWS * 500)
    process = subprocess.Popen([sys.executable, "-c", READ_AND_WAIT, str(path)], stdout=subprocess.PIPE, text=True)
    reader = psutil.Process(int(process.stdout.readline()))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 30
    while reader.is_running() and reader.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "it reads on for nobody"
        time.sleep(0.02)
