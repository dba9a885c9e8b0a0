"""Plants the changes of changes.toml one after another in a copy of the checkout and reports which of them no test notices.

A change is noticed if a test fails with it and passes without it right after. A changed SQL function replaces the one in the test
database, where one open test session runs the tests of all such changes; a changed Python file needs a session of its own. The tests that
noticed the change before, or others of its file, run first. A change whose tests don't end in time is unknown, not noticed.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

import psycopg

from tests.mutation.changes import Change, read_changes
from tests.mutation.results import MIN_SCORE, NOTICED, SURVIVED, Result, likely_tests, read_results, record, score
from tests.mutation.session import Checkout, Database, SessionEnded, TestSession, start_server

SECONDS_FOR_A_CHANGE = 300
# Makes the database, and must pass.
FIRST_TEST = "tests/billing/test_floor.py"


def main() -> None:
    arguments = read_arguments()
    changes, results = read_changes(), read_results()
    chosen = [change for change in changes if arguments.only in f"{change.name} {change.file}"]
    if arguments.unknown:
        chosen = [change for change in chosen if not results.get(change.name, Result("not run")).is_known]
    if arguments.survived:
        chosen = [change for change in chosen if results.get(change.name, Result("not run")).outcome == SURVIVED]
    if arguments.list:
        for change in chosen:
            say(f"{change.problem() or 'found':10} {results.get(change.name, Result('not run')).outcome:10} {change.name}")
    elif chosen and not arguments.report:
        run(chosen, changes, arguments.test)
    sys.exit(report())


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/mutate", description=__doc__)
    parser.add_argument("--only", default="", help="the changes whose name or file contains this")
    parser.add_argument("--unknown", action="store_true", help="only changes that results.json calls neither noticed nor survived")
    parser.add_argument("--survived", action="store_true", help="only changes that no test noticed")
    parser.add_argument("--test", action="append", default=[], help="run this test or file instead; then only a noticed change is recorded")
    parser.add_argument("--list", action="store_true", help="say which changes there are and whether their text is found")
    parser.add_argument("--report", action="store_true", help="run nothing, say what results.json holds")
    return parser.parse_args()


def run(chosen: list[Change], changes: list[Change], tests: list[str]) -> None:
    """Tries the changes, those in SQL first: they share a session.

    First the tests that are likely to notice; all tests of a change only where those didn't.
    """
    start_server()
    checkout = Checkout()
    workshop = Workshop(checkout, sorted({FIRST_TEST, *tests, *known_tests(), *(test for change in chosen for test in change.tests)}))
    in_order = sorted(chosen, key=lambda change: not change.is_sql)
    try:
        waiting = [change for change in in_order if tests or not is_noticed(workshop, change, changes, (), is_final=False)]
        for change in waiting:
            is_noticed(workshop, change, changes, tests or change.tests, is_final=not tests)
    finally:
        workshop.close()
        checkout.remove()


def is_noticed(workshop: "Workshop", change: Change, changes: list[Change], tests: Sequence[str], *, is_final: bool) -> bool:
    """Tries a change and writes its result, another one than noticed only if it is final."""
    started = time.monotonic()
    result = workshop.try_change(change, tests, likely_tests(change, changes, read_results()))
    if is_final or result.outcome == NOTICED:
        record(change, result)
        say(f"{result.outcome:10} {time.monotonic() - started:5.0f} s  {change.name}  {result.by}")
    return result.outcome == NOTICED


def known_tests() -> set[str]:
    return {result.by for result in read_results().values() if result.by}


class Workshop:
    """The open session that runs tests against unchanged Python files, and the sessions that run them against a changed one."""

    def __init__(self, checkout: Checkout, tests: list[str]) -> None:
        self.checkout = checkout
        self.tests = tests
        self.database = Database(f"{os.getpid()}")
        self.session: TestSession | None = None
        self.is_python_database_made = False

    def try_change(self, change: Change, tests: Sequence[str], likely: list[str]) -> Result:
        if problem := change.problem():
            return Result(problem)
        try:
            reply = self.try_sql(change, tests, likely) if change.is_sql else self.try_python(change, tests, likely)
            if not reply["ran"]:
                return Result("none of its tests exists")
            if reply["failed"] is None:
                return Result(SURVIVED if reply["ended"] else f"its tests didn't end within {SECONDS_FOR_A_CHANGE} s")
            if self.unchanged().run([reply["failed"]])["failed"] is None:
                return Result(NOTICED, reply["failed"])
            self.end_session()
            return Result(f"{reply['failed']} fails without the change too")
        except SessionEnded as ended:
            self.end_session()
            return Result(str(ended))
        except psycopg.Error as refusal:
            return Result(f"not valid SQL: {' '.join(str(refusal).split())}")

    def try_sql(self, change: Change, tests: Sequence[str], likely: list[str]) -> dict:
        session = self.unchanged()
        original = (self.checkout.root / change.file).read_text()
        with self.database.changed(change.changed(original), original):
            return session.run(tests, likely=likely, seconds=SECONDS_FOR_A_CHANGE)

    def try_python(self, change: Change, tests: Sequence[str], likely: list[str]) -> dict:
        text = change.changed((self.checkout.root / change.file).read_text())
        with self.checkout.changed(change.file, text):
            name = f"{os.getpid()}_changed"
            session = TestSession(self.checkout, [*tests, *likely], database=name, fresh=not self.is_python_database_made)
            self.is_python_database_made = False
            try:
                reply = session.run(tests, likely=likely, seconds=SECONDS_FOR_A_CHANGE)
            finally:
                session.close()
            self.is_python_database_made = True
            return reply

    def unchanged(self) -> TestSession:
        """The open session, with its database made."""
        if self.session is None:
            self.session = TestSession(self.checkout, self.tests, database=f"{os.getpid()}", fresh=True)
            if failed := self.session.run([FIRST_TEST])["failed"]:
                sys.exit(f"{failed} fails without any change: see {self.session.log}")
        return self.session

    def end_session(self) -> None:
        if self.session is not None:
            self.session.close()
        self.session = None

    def close(self) -> None:
        self.end_session()


def report() -> int:
    """Prints the score of everything that has been run. Returns the exit code: 1 below MIN_SCORE."""
    results = read_results()
    found = score(read_changes(), results)
    for change in found.survived:
        say(f"survived: {change.name}. {change.unnoticed or 'NOT EXPLAINED'}")
    for change in found.unknown:
        if change.name in results:
            say(f"not known: {change.name}: {results[change.name].outcome}")
    counted = len(found.noticed) + len(found.survived)
    say(
        f"{len(found.noticed)} of {counted} changes noticed ({found.share:.0%}); {len(found.harmless)} change nothing; "
        f"{len(found.unknown)} not known."
    )
    return int(found.share < MIN_SCORE)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
