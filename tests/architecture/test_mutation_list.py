"""The list of bin/mutate still applies, and its recorded results are as good as they are said to be."""

from collections import Counter

from tests.mutation.changes import read_changes
from tests.mutation.results import MIN_SCORE, NOTICED, Result, likely_tests, read_results, score

CHANGES = read_changes()


def test_every_change_can_be_made():
    assert [f"{change.name}: {problem}" for change in CHANGES if (problem := change.problem())] == []


def test_there_are_enough_changes_and_no_name_twice():
    names = Counter(change.name for change in CHANGES)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) >= 120


def test_nearly_all_recorded_changes_were_noticed_and_each_other_one_is_explained():
    found = score(CHANGES, read_results())
    assert len(found.noticed) + len(found.survived) >= 120
    assert found.share >= MIN_SCORE
    assert [change.name for change in found.unexplained()] == []
    assert [change.name for change in found.noticed if change.survives or change.unnoticed] == [], "noticed, so the explanation is wrong"


def test_a_change_that_is_explained_as_harmless_does_not_count_and_an_unknown_one_is_not_noticed():
    harmless = next(change for change in CHANGES if change.survives)
    real, other = [change for change in CHANGES if not change.survives][:2]
    results = {harmless.name: Result("survived"), real.name: Result(NOTICED, "tests/a.py::test_b")}
    found = score([harmless, real, other], results)
    assert (found.noticed, found.survived, found.harmless, found.unknown, found.share) == ([real], [], [harmless], [other], 1)
    found = score([real], {real.name: Result("its tests didn't end within 300 s")})
    assert (found.noticed, found.unknown) == ([], [real])


def test_what_noticed_a_change_before_or_another_of_its_file_is_likely_to_notice_it():
    one, other = next((a, b) for a in CHANGES for b in CHANGES if a is not b and a.file == b.file)
    results = {one.name: Result(NOTICED, "tests/a.py::test_a"), other.name: Result(NOTICED, "tests/b.py::test_b")}
    assert likely_tests(one, CHANGES, results) == ["tests/a.py::test_a", "tests/b.py::test_b"]
    assert likely_tests(other, CHANGES, results) == ["tests/b.py::test_b", "tests/a.py::test_a"]
