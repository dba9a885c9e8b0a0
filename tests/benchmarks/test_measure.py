"""Candidates take turns, the first round doesn't count, and a line of the table says what was measured."""

import pytest

from benchmarks.__main__ import count
from benchmarks.measure import Candidate, Comparison, Sample, row_of


def comparison(*, ours, peers, target, less_is_better=False):
    turns = []

    def candidate(name, rates):
        measured = iter(rates)

        def run():
            turns.append(name)
            return Sample(rate=next(measured), errors=0.0)

        return Candidate(name=name, run=run)

    made = Comparison(
        path="a path",
        unit="/s",
        candidates=[candidate("ours", ours), candidate("peer", peers)],
        targets={"peer": target},
        less_is_better=less_is_better,
    )
    made.measure(rounds=3, say=lambda text: None)
    return made, turns


def test_candidates_take_turns_and_the_first_round_does_not_count():
    made, turns = comparison(ours=[1, 300, 100, 200], peers=[1000, 100, 100, 100], target=1.5)
    assert turns == ["ours", "peer"] * 4
    assert made.ratios() == {"peer": 2.0}
    assert made.facts()["candidates"][0]["spread"] == 0.5


@pytest.mark.parametrize(
    ("target", "less_is_better", "words"),
    [(1.5, False, "≥ 1.5: met"), (2.5, False, "≥ 2.5: missed"), (2.5, True, "≤ 2.5: met"), (1.5, True, "≤ 1.5: missed")],
)
def test_a_line_says_the_ratio_the_target_and_whether_it_was_met(target, less_is_better, words):
    made, _ = comparison(ours=[1, 200, 200, 200], peers=[1, 100, 100, 100], target=target, less_is_better=less_is_better)
    assert row_of(made.facts()) == ["a path", "200 /s ±0%", f"**2.00** ({words}) × peer, 100 /s ±0%"]


def test_errors_are_never_left_out():
    candidate = Candidate(name="ours", run=lambda: Sample(rate=10.0, errors=0.25))
    made = Comparison(path="a path", unit="/s", candidates=[candidate])
    made.measure(rounds=1, say=lambda text: None)
    assert row_of(made.facts())[1] == "10.0 /s ±0%, 25.0% errors"


@pytest.mark.parametrize(("text", "rows"), [("5m", 5_000_000), ("500k", 500_000), ("10000", 10_000), ("1.5m", 1_500_000)])
def test_rows_may_be_written_short(text, rows):
    assert count(text) == rows
