"""The list of bin/mutate still applies: each change's text stands exactly once in its file, and its tests exist."""

from collections import Counter

from tests.mutation.changes import read_changes


def test_every_change_can_be_made():
    assert [f"{change.name}: {problem}" for change in read_changes() if (problem := change.problem())] == []


def test_there_are_enough_changes_and_no_name_twice():
    names = Counter(change.name for change in read_changes())
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 120
