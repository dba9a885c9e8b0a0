"""Progress without a terminal is a line a minute, and nothing where nobody wants it."""

import pytest

from kernel.backfills.terminal import progress_bar
from kernel.backfills.terminal.progress_bar import LINE_EVERY_SECONDS, Progress


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    return now


def test_it_prints_a_line_a_minute(clock, capsys):
    with Progress(label="posting", total=3000, unit="row", visible=True, done=500) as bar:
        bar.advance(100)
        assert capsys.readouterr().err == ""
        clock[0] += LINE_EVERY_SECONDS
        bar.advance(1000, note="stepping back: 1 waiting")
        assert capsys.readouterr().err == "posting: 1,600 of 3,000 rows after 60 s, stepping back: 1 waiting\n"
        clock[0] += LINE_EVERY_SECONDS - 1
        bar.advance(100)
        assert capsys.readouterr().err == ""


def test_bytes_are_reached_and_never_go_back(clock, capsys):
    with Progress(label="planning", total=None, unit="B", visible=True) as bar:
        bar.reach(2048)
        bar.reach(1024)
        clock[0] += LINE_EVERY_SECONDS
        bar.reach(4096)
    assert capsys.readouterr().err == "planning: 4,096 bytes after 60 s\n"


def test_it_is_silent_on_request(clock, capsys):
    with Progress(label="posting", total=10, unit="row", visible=False) as bar:
        clock[0] += LINE_EVERY_SECONDS
        bar.advance(10)
    assert capsys.readouterr().err == ""
