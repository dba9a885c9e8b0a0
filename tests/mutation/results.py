"""What became of each change, in results.json: written after every change, so that a run that is stopped loses nothing."""

import fcntl
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.changes import Change

FILE = Path(__file__).resolve().parent / "results.json"
MIN_SCORE = 0.9
NOTICED = "noticed"
SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """`outcome` is noticed, survived, or why it isn't known. `by` is the test that noticed."""

    outcome: str
    by: str = ""

    @property
    def is_known(self) -> bool:
        return self.outcome in {NOTICED, SURVIVED}


def read_results() -> dict[str, Result]:
    if not FILE.exists():
        return {}
    return {name: Result(**fields) for name, fields in json.loads(FILE.read_text()).items()}


def record(change: Change, result: Result) -> None:
    """Another run may write at the same time."""
    with FILE.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        results = json.loads(file.read() or "{}")
        results[change.name] = {"outcome": result.outcome} | ({"by": result.by} if result.by else {})
        file.truncate(0)
        file.write(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def likely_tests(change: Change, changes: list[Change], results: dict[str, Result]) -> list[str]:
    """The tests that noticed this change before, then those that noticed others of the same file, the most frequent first."""
    own = results.get(change.name, Result("not run")).by
    of_file = {other.name for other in changes if other.file == change.file}
    others = Counter(result.by for name, result in results.items() if name in of_file and result.by)
    return list(dict.fromkeys([*([own] if own else []), *(test for test, _ in others.most_common())]))


@dataclass(frozen=True)
class Score:
    """Counts over the changes of the list that have a result. `harmless` survived and change nothing that anybody could see."""

    noticed: list[Change]
    survived: list[Change]
    harmless: list[Change]
    unknown: list[Change]

    @property
    def share(self) -> float:
        counted = len(self.noticed) + len(self.survived)
        return len(self.noticed) / counted if counted else 1.0

    def unexplained(self) -> list[Change]:
        return [change for change in self.survived if not change.unnoticed]


def score(changes: list[Change], results: dict[str, Result]) -> Score:
    found = Score([], [], [], [])
    for change in changes:
        outcome = results.get(change.name, Result("not run")).outcome
        if outcome == NOTICED:
            found.noticed.append(change)
        elif outcome == SURVIVED:
            (found.harmless if change.survives else found.survived).append(change)
        else:
            found.unknown.append(change)
    return found
