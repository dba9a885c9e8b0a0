"""Plants the changes of changes.toml one after another in a copy of the checkout and reports which of them no test notices.

The copy is under var/mutate and has a PostgreSQL and a test database of its own. The database is made once: a changed SQL function replaces
the one that is there, and the original is put back after the test run.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.architecture.file_rules import committed_files
from tests.mutation.changes import ROOT, Change, read_changes

COPY = ROOT / "var" / "mutate"
RESULTS = Path(__file__).resolve().parent / "results.json"
TIMEOUT_SECONDS = 600
LEAST_SCORE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/mutate", description=__doc__)
    parser.add_argument("--only", default="", help="the changes whose name or file contains this")
    parser.add_argument("--unknown", action="store_true", help="only changes that results.json calls neither noticed nor survived")
    parser.add_argument("--list", action="store_true", help="say which changes there are and whether their text is found")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    chosen = [change for change in read_changes() if arguments.only in f"{change.name} {change.file}"]
    if arguments.unknown:
        chosen = [change for change in chosen if results.get(change.name) not in {"noticed", "survived"}]
    if arguments.list:
        for change in chosen:
            say(f"{change.problem() or 'found':10} {results.get(change.name, 'not run'):10} {change.name}")
        return
    run(chosen, results)
    sys.exit(report(results))


def run(changes: list[Change], results: dict[str, str]) -> None:
    copy_checkout()
    passing: set[tuple[str, ...]] = set()
    for change in changes:
        started = time.monotonic()
        outcome = plant(change, passing)
        results[change.name] = outcome
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        say(f"{outcome:10} {time.monotonic() - started:5.0f} s  {change.name}")


def plant(change: Change, passing: set[tuple[str, ...]]) -> str:
    """What became of one change: 'noticed', 'survived', or why it could not be tried."""
    if problem := change.problem():
        return problem
    if change.tests not in passing:
        if run_tests(change.tests):
            return "its tests fail without the change"
        passing.add(change.tests)
    path = COPY / change.file
    original = path.read_text()
    try:
        path.write_text(change.changed_text())
        if change.is_sql and (refusal := lay_function(path.read_text())):
            return f"not valid SQL: {refusal}"
        return "noticed" if run_tests(change.tests) else "survived"
    finally:
        path.write_text(original)
        if change.is_sql:
            lay_function(original)


def copy_checkout() -> None:
    """The tracked files, as they are now, beside the database that an earlier run left there."""
    COPY.mkdir(parents=True, exist_ok=True)
    for entry in COPY.iterdir():
        if entry.name != "var":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for path in committed_files():
        target = COPY / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    (COPY / ".venv").symlink_to((ROOT / ".venv").resolve())
    global _is_database_made  # noqa: PLW0603
    _is_database_made = False


_is_database_made = False


def environment() -> dict[str, str]:
    # The test database is named after this process, which outlives each test run.
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "COUNTINGHOUSE_TEST_SERVER"}}
    return kept | {"COUNTINGHOUSE_TEST_RUN": str(os.getpid()), "HYPOTHESIS_PROFILE": "mutate"}


def run_tests(tests: tuple[str, ...]) -> bool:
    """True if one of them fails, or they don't end in time."""
    global _is_database_made  # noqa: PLW0603
    reuse = "--reuse-db" if _is_database_made else "--create-db"
    command = [".venv/bin/python", "-m", "pytest", "-q", "-x", "-p", "no:randomly", "--reuse-db", reuse, *tests]
    log = ROOT / "var" / "mutate.log"
    with log.open("w") as file:
        try:
            done = subprocess.run(command, cwd=COPY, env=environment(), stdout=file, stderr=file, timeout=TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            _is_database_made = False
            return True
    if done.returncode not in {0, 1}:
        sys.exit(f"pytest could not run the tests: see {log.relative_to(ROOT)}")
    _is_database_made = True
    return done.returncode == 1


def lay_function(text: str) -> str:
    """Replace the function in the copy's test database. Returns PostgreSQL's refusal, empty if there is none."""
    program = (
        "import os, sys; from config.local import postgres; postgres.ensure_running(postgres.TESTS); import psycopg\n"
        "url = os.environ['DATABASE_URL'].replace('/countinghouse?', f\"/test_run_{os.environ['COUNTINGHOUSE_TEST_RUN']}?\")\n"
        "psycopg.connect(url, autocommit=True).execute(sys.stdin.read())"
    )
    command = [".venv/bin/python", "-c", program]
    done = subprocess.run(command, cwd=COPY, env=environment(), input=text, capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def report(results: dict[str, str]) -> int:
    """The score over everything that has been run, and the exit code: 1 below LEAST_SCORE."""
    changes = {change.name: change for change in read_changes()}
    known = {name: outcome for name, outcome in results.items() if name in changes}
    noticed = [name for name, outcome in known.items() if outcome == "noticed"]
    survived = [name for name, outcome in known.items() if outcome == "survived"]
    explained = [name for name in survived if changes[name].survives]
    for name in survived:
        say(f"survived: {name}. {changes[name].survives or 'NOT EXPLAINED'}")
    for name, outcome in known.items():
        if outcome not in {"noticed", "survived"}:
            say(f"not tried: {name}: {outcome}")
    counted = len(noticed) + len(survived) - len(explained)
    score = len(noticed) / counted if counted else 1.0
    say(f"{len(noticed)} of {counted} changes noticed ({score:.0%}); {len(explained)} change nothing; {len(changes) - len(known)} not run.")
    return int(score < LEAST_SCORE)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
