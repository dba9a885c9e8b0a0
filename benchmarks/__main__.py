"""`bin/bench`: sets itself up, measures, prints one table of ratios, and writes benchmarks/results/."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks import backfills, results, single_posts
from benchmarks import batches as batches_path
from benchmarks import growth as growth_path
from benchmarks import in_process as in_process_path
from benchmarks import office as office_path
from benchmarks import paying as paying_path
from benchmarks.database import Database, NotHere
from benchmarks.measure import Comparison

# A backfill works on a file, not for a time: so many rows for each second that a round of the others takes.
BACKFILLED_ROWS_FOR_A_SECOND = 10_000


@dataclass(frozen=True)
class Plan:
    """How thorough a run is."""

    seconds: int
    rounds: int
    rows: int
    before: Path | None = None


def posts(database: Database, plan: Plan) -> Iterator[Comparison]:
    """posts       one POST each: random accounts with 16 and 64 connections, a hot account with 64"""
    database.start()
    with single_posts.start_servers(database, plan.before) as servers:
        yield single_posts.random_accounts(servers, connections=16, seconds=plan.seconds)
        yield single_posts.random_accounts(servers, connections=64, seconds=plan.seconds)
        yield single_posts.hot_account(servers, connections=64, seconds=plan.seconds)


def ledgers(database: Database, plan: Plan) -> Iterator[Comparison]:
    """ledgers     one POST each of billing and of metering, with 16 and 64 connections"""
    database.start()
    with single_posts.start_servers(database, plan.before) as servers:
        for ledger in (single_posts.BILLING, single_posts.METERING):
            for connections in (16, 64):
                yield single_posts.other_ledger(servers, ledger, connections=connections, seconds=plan.seconds)


def slow_disk(database: Database, plan: Plan) -> Iterator[Comparison]:
    """slow_disk   the same where every flush takes 2 ms: a hot account with 64 connections, random ones with 4"""
    database.start(slow=True)
    with single_posts.start_servers(database) as servers:
        yield single_posts.hot_account(servers, connections=64, seconds=plan.seconds)
        yield single_posts.few_callers_on_a_slow_disk(servers, seconds=plan.seconds)


def batch(database: Database, plan: Plan) -> Iterator[Comparison]:
    """batch       1,000 metered transactions with two costs in one POST, against COPY of the same rows"""
    database.start()
    yield from batches_path.batches(database)


def backfill(database: Database, plan: Plan) -> Iterator[Comparison]:
    """backfills   files of metered transactions with two costs and of debits, with one job and two, against \\copy of the same"""
    database.start()
    with backfills.open_databases(database, rows=plan.seconds * BACKFILLED_ROWS_FOR_A_SECOND) as databases:
        yield backfills.metered_transactions(databases)
        yield backfills.debits(databases)


def backfill_size(database: Database, plan: Plan) -> Iterator[Comparison]:
    """backfill_size    plan and apply of a file of --rows rows: memory and speed, against 10,000 rows"""
    database.start()
    with backfills.open_databases(database, rows=plan.rows) as databases:
        yield from backfills.sizes(databases)


def growth(database: Database, plan: Plan) -> Iterator[Comparison]:
    """growth      posting and reading at --rows rows, against 10,000"""
    database.start()
    yield from growth_path.growth(database, plan.rows, plan.seconds)


def office(database: Database, plan: Plan) -> Iterator[Comparison]:
    """office      every kind of page of the back office at --rows rows, against half a second"""
    database.start()
    yield from office_path.office(database, plan.rows)


def paying(database: Database, plan: Plan) -> Iterator[Comparison]:
    """paying      a metered call that is paid: reauthorize, settle and complete, against a hold, its capture and complete by hand"""
    database.start()
    yield from paying_path.payments(database, plan.seconds)


def in_process(database: Database, plan: Plan) -> Iterator[Comparison]:
    """in_process  a debit by a call in Python, against dj-wallet and django-hordak"""
    database.start()
    yield from in_process_path.in_process(database, plan.seconds)


PATHS: dict[str, Callable[[Database, Plan], Iterator[Comparison]]] = {
    "posts": posts,
    "ledgers": ledgers,
    "slow_disk": slow_disk,
    "batch": batch,
    "backfills": backfill,
    "backfill_size": backfill_size,
    "in_process": in_process,
    "growth": growth,
    "office": office,
    "paying": paying,
}


def main() -> None:
    # On any signal that ends the run, its servers are stopped too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        run(read_arguments())
    except KeyboardInterrupt:
        sys.exit("Stopped: nothing was written.")


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(arguments: argparse.Namespace) -> None:
    plan = Plan(
        seconds=3 if arguments.quick else arguments.seconds,
        rounds=2 if arguments.quick else arguments.rounds,
        rows=arguments.rows,
        before=arguments.before,
    )
    facts = {"machine": results.machine(), "load_before": results.load(), "seconds": plan.seconds, "rounds": plan.rounds}
    database = Database()
    comparisons = []
    try:
        for name in arguments.paths or PATHS:
            say(f"{name} ...")
            comparisons += measure(PATHS[name](database, plan), plan=plan)
    finally:
        database.stop()
    if comparisons:
        path = results.write(arguments.name, comparisons=comparisons, facts={**facts, "load_after": results.load(), "note": arguments.note})
        say(f"\n{results.table(comparisons)}\nWritten to {path.relative_to(results.FOLDER.parent.parent)}; every book was proved right.")


def measure(comparisons: Iterator[Comparison], *, plan: Plan) -> list[dict]:
    measured = []
    try:
        for comparison in comparisons:
            comparison.measure(rounds=plan.rounds, say=say)
            measured.append(comparison.facts())
    except NotHere as lack:
        say(f"  left out: {lack}")
    return measured


def read_arguments() -> argparse.Namespace:
    lines = "\n  ".join(path.__doc__ or "" for path in PATHS.values())
    parser = argparse.ArgumentParser(
        prog="bin/bench", description=__doc__, epilog=f"paths:\n  {lines}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", choices=[*PATHS, []], metavar="path", help="what to measure (default: all)")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds: five minutes, less certain")
    parser.add_argument("--seconds", type=int, default=5, help="how long a round of one candidate takes (default: 5)")
    parser.add_argument("--rounds", type=int, default=4, help="how many rounds count (default: 4)")
    parser.add_argument("--rows", type=count, default=1_000_000, help="how far the growth and office paths go: 5m, 500k (default: 1m)")
    parser.add_argument("--before", type=checkout, help="for posts and ledgers: a checkout of an older commit, the only peer of that run")
    parser.add_argument("--name", default="latest", help="the name of the results file (default: latest)")
    parser.add_argument("--note", default="", help="what else ran on this machine, to be kept with the results")
    return parser.parse_args()


def checkout(text: str) -> Path:
    folder = Path(text).resolve()
    if not (folder / "benchmarks" / "book.py").is_file():
        raise argparse.ArgumentTypeError(f"{text} is no checkout of Countinghouse: git worktree add {text} COMMIT makes one")
    return folder


def count(text: str) -> int:
    """A number of rows: 5m, 500k, 10000."""
    scale = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower())
    return int(float(text[:-1]) * scale) if scale else int(text)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
