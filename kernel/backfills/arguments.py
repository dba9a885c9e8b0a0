"""What a person can say to a backfill command."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter

from kernel.backfills.adapters import Adapter
from kernel.backfills.sources import FORMATS

BATCH_SIZE = 1000
LARGEST_BATCH = 10_000


def add_arguments(parser: ArgumentParser, adapter: Adapter) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = manual(adapter)
    parser.add_argument("tenant", nargs="?", help="slug or id of the tenant whose book it goes into (with --plan)")
    parser.add_argument("file", nargs="?", help="the file, .csv, .jsonl or .ndjson, plain or .gz; - is standard input (with --plan)")
    what = parser.add_argument_group("what to do").add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="check every row, show the effect, keep the plan as a run; posts nothing")
    what.add_argument("--apply", metavar="RUN", help="post what a plan found")
    what.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or killed")
    what.add_argument("--undo", metavar="RUN", help="reverse everything that a run posted")
    reading = parser.add_argument_group("how to read the file (with --plan)")
    reading.add_argument("--format", choices=FORMATS, help="where the file's name doesn't say it")
    reading.add_argument("--delimiter", default=",", help="what stands between two fields of a CSV file (default: a comma)")
    reading.add_argument("--map", action="append", type=_pair, default=[], metavar="THEIRS=OURS", help="the file's name for a column")
    reading.add_argument("--set", action="append", type=_pair, default=[], metavar="COLUMN=VALUE", help="for rows that don't say it")
    reading.add_argument("--ignore", action="append", default=[], metavar="THEIRS", help="leave a column of the file out")
    pace = parser.add_argument_group("how to work")
    pace.add_argument("--source", metavar="FILE", help="where the planned file is now, if it was moved")
    pace.add_argument(
        "--batch-size", type=_batch_size, default=BATCH_SIZE, metavar="ROWS", help="rows to a transaction (default: %(default)s)"
    )
    pace.add_argument("--max-rate", type=_rate, metavar="ROWS", help="at most so many rows a second")
    pace.add_argument("--wait", action="store_true", help="wait for another process that works on the same file, instead of giving up")
    told = parser.add_argument_group("what to tell")
    told.add_argument("--rejects", metavar="FILE", help="where to write refused rows (default: var/backfills/<run>.rejects.<format>)")
    told.add_argument("--effects", metavar="FILE", help="write every account's balance before and after as CSV (with --plan)")
    told.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")
    told.add_argument("--no-progress", action="store_true", help="no progress bar")


def manual(adapter: Adapter) -> str:
    """What stands below the options: the columns, an example, the exit codes."""
    width = max(len(column.name) for column in adapter.columns)
    columns = [f"  {column.name:<{width}}  {'required; ' if column.required else ''}{column.help}" for column in adapter.columns]
    return "\n".join(
        [
            "columns (as here, or as the APIs spell them; --map names others):",
            *columns,
            "",
            "example:",
            f"  manage.py {adapter.command} acme history.csv.gz --plan",
            f"  manage.py {adapter.command} --apply RUN         the plan's last line names RUN",
            f"  manage.py {adapter.command} --resume RUN        after a kill or Ctrl-C",
            f"  manage.py {adapter.command} --undo RUN          reversing entries for all of it",
            "",
            "RUN is the run's id, or enough of its beginning or end.",
            "",
            "exit codes: 0 done; 1 done, but rows were refused; 2 wrong usage; 3 nothing was begun, the text says why;",
            "            4 the database or the process that reads the file was lost, --resume goes on;",
            "            130 stopped on request at the end of a batch, --resume goes on.",
        ]
    )


def _pair(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not (name and equals and value):
        raise ArgumentTypeError(f"{written!r} is not of the form NAME=VALUE")
    return name, value


def _batch_size(written: str) -> int:
    if not written.isdigit() or not 1 <= int(written) <= LARGEST_BATCH:
        raise ArgumentTypeError(f"must be a whole number from 1 to {LARGEST_BATCH}")
    return int(written)


def _rate(written: str) -> float:
    if not written.isdigit() or int(written) < 1:
        raise ArgumentTypeError("must be a whole number of rows a second, 1 or more")
    return float(written)
