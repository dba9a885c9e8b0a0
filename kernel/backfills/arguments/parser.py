"""The command line of every backfill command."""

import re
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter, _ArgumentGroup
from typing import NoReturn

from kernel.backfills.adapters import Adapter
from kernel.backfills.errors import BadSource
from kernel.backfills.reading.files.records import FORMATS
from kernel.backfills.reading.files.unpacking import ENCODINGS
from kernel.backfills.reading.options import ABSOLUTE, EFFECT, MAGNITUDE

BATCH_SIZE = 1000
MAX_BATCH_ROWS = 10_000
MAX_SKIPPED_LINES = 10_000
MAX_JOBS = 64
THOUSANDS = {"comma": ",", "point": ".", "space": " ", "apostrophe": "'"}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}


def add_arguments(parser: ArgumentParser, adapter: Adapter) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = manual(adapter)
    parser.add_argument("tenant", nargs="?", help="slug or id of the tenant whose ledger it goes into (with --plan)")
    parser.add_argument(
        "file",
        nargs="*",
        help="the file, .csv, .jsonl, .json, .parquet or .xlsx, also in .gz or .zip; several files, or a pattern, are one run;"
        " - is standard input (with --plan)",
    )
    what = parser.add_argument_group("what to do").add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="check every row, show the effect, keep the plan as a run; posts nothing")
    what.add_argument("--apply", metavar="RUN", help="post what a plan found")
    what.add_argument("--resume", metavar="RUN", help="continue a run that was stopped or killed")
    what.add_argument("--undo", metavar="RUN", help="reverse everything that a run posted")
    parser.add_argument("--again", metavar="RUN", help="with --plan: bring in again what this run had posted before its undo, as <key>~2")
    _add_reading_arguments(parser, adapter)
    _add_pace_arguments(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--rejects", metavar="FILE", help="where to write refused rows (default: var/backfills/<run>.rejects.<format>)")
    output.add_argument("--effects", metavar="FILE", help="write every account's balance before and after as CSV (with --plan)")
    output.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")
    output.add_argument("--no-progress", action="store_true", help="no progress: neither a bar nor, without a terminal, a line a minute")


def _add_pace_arguments(parser: ArgumentParser) -> None:
    pace = parser.add_argument_group("how to work")
    pace.add_argument("--source", nargs="+", metavar="FILE", help="where the planned file is now, if it was moved")
    pace.add_argument(
        "--batch-size", type=_batch_size, default=BATCH_SIZE, metavar="ROWS", help="rows to a transaction (default: %(default)s)"
    )
    pace.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="post with N processes, each the rows of some accounts; a resumed run keeps its number (default: 1)",
    )
    pace.add_argument("--max-rate", type=_rate, metavar="ROWS", help="at most so many rows a second")
    pace.add_argument(
        "--with-events",
        action="store_true",
        help="(with --plan) also send each row that is posted to the tenant's webhook endpoints; by default an import sends nothing",
    )
    pace.add_argument("--wait", action="store_true", help="wait for another process that works on the same file, instead of giving up")


class ReadingParser(ArgumentParser):
    """The reading options alone, for profiles. Raises BadSource instead of ending the process."""

    def __init__(self, adapter: Adapter, *, title: str) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self.title = title
        _add_reading_arguments(self, adapter)

    def error(self, message: str) -> NoReturn:
        raise BadSource(f"{self.title}: {message}.")


def _add_reading_arguments(parser: ArgumentParser, adapter: Adapter) -> None:
    reading = parser.add_argument_group("how to read the file (with --plan)")
    reading.add_argument("--format", choices=FORMATS, help="if the file's name doesn't say it")
    reading.add_argument(
        "--profile", metavar="NAME", help="the options of a known export (manage.py backfill_profiles), or a file of your own"
    )
    _add_layout_arguments(reading)
    _add_column_arguments(reading)
    _add_row_arguments(reading)
    _add_amount_arguments(reading)
    _add_sign_arguments(reading, adapter)
    _add_time_arguments(reading)
    if adapter.type_directions:
        reading.add_argument(
            "--new-type",
            action="append",
            type=_pair,
            default=[],
            metavar="TYPE=DIRECTION",
            help=f"the direction of a type that the catalogue lacks: {', '.join(adapter.type_directions)}",
        )


def _add_column_arguments(reading: _ArgumentGroup) -> None:
    """Which column of the file is which of ours, and values that it spells in another way."""
    reading.add_argument(
        "--map",
        action="append",
        type=_split_at_last_equals,
        default=[],
        metavar="THEIRS=OURS",
        help="the file's name for a column; =-OURS with the sign turned round, =metadata.NAME as a member of an object",
    )
    reading.add_argument(
        "--optional", action="append", default=[], metavar="THEIRS", help="a column of --map or --ignore that the file may lack"
    )
    reading.add_argument("--set", action="append", type=_pair, default=[], metavar="COLUMN=VALUE", help="for rows without a value")
    reading.add_argument(
        "--ignore", action="append", default=[], metavar="THEIRS", help="leave a column of the file out; *: all that --map doesn't name"
    )
    reading.add_argument(
        "--map-value",
        action="append",
        type=_mapped_value,
        default=[],
        metavar="COLUMN:THEIRS=OURS",
        help=r"read a value of the file as another one; invisible characters as \xa0, \u200b, \t",
    )


def _add_row_arguments(reading: _ArgumentGroup) -> None:
    """Texts that are replaced, rows that are left out, keys that are made."""
    reading.add_argument("--upper", action="append", default=[], metavar="COLUMN", help="read a column's texts in upper case: currency")
    reading.add_argument("--null", action="append", default=[], metavar="TEXT", help=r"a text that means no value, such as NULL or \N")
    reading.add_argument(
        "--skip-rows-where",
        action="append",
        type=_rule,
        default=[],
        metavar="THEIRS=TEXT",
        help="leave out rows whose column holds this text (* for any characters, nothing for an empty one): totals, comments",
    )
    reading.add_argument(
        "--key-from",
        type=_names,
        default=(),
        metavar="THEIRS,...",
        help="make the key of these columns, where the file has none; _line is the record's line, =text stands for itself",
    )


def _add_layout_arguments(reading: _ArgumentGroup) -> None:
    """How the file is laid out."""
    reading.add_argument(
        "--delimiter",
        type=_delimiter,
        help=f"between the fields of a CSV file: one character or {', '.join(DELIMITERS)} (default: comma)",
    )
    reading.add_argument("--encoding", choices=ENCODINGS, help="default: UTF-8, or UTF-16 where the file begins with its mark")
    reading.add_argument(
        "--items", type=_path, default=(), metavar="PATH", help="of a JSON object: the member that is the list, data.results"
    )
    reading.add_argument("--sheet", default="", metavar="NAME", help="of a workbook (default: the first)")
    reading.add_argument("--skip-lines", type=_count, default=0, metavar="N", help="lines, or rows of a sheet, above the header")
    reading.add_argument("--columns", type=_names, default=(), metavar="NAME,...", help="the columns of a CSV file without a header")


def _add_time_arguments(reading: _ArgumentGroup) -> None:
    """How times are written in the file."""
    reading.add_argument(
        "--date-format",
        action="append",
        default=[],
        metavar="[COLUMN:]FORMAT",
        help="epoch-s, epoch-ms, epoch-us, or a pattern such as %%d.%%m.%%Y %%H:%%M (default: ISO 8601)",
    )
    reading.add_argument("--timezone", default="", metavar="ZONE", help="of times without an offset, such as Europe/Berlin or UTC")


def _add_sign_arguments(reading: _ArgumentGroup, adapter: Adapter) -> None:
    """Where the sign of an amount comes from."""
    if not adapter.amount_column:
        return
    reading.add_argument(
        "--sign-from",
        metavar="THEIRS[:MINUS,...=PLUS,...]",
        help="a column that says whether the amount is below or above zero (known: debit and credit, D and C, S and H, - and +)",
    )
    reading.add_argument(
        "--signs",
        choices=(MAGNITUDE, EFFECT, ABSOLUTE),
        help="effect: amounts are signed as they move the balance, whatever the type's direction; absolute: signs mean nothing"
        " (default: magnitude)",
    )
    reading.add_argument(
        "--type-from-sign", type=_two_types, metavar="PLUS,MINUS", help="the types of amounts above and below zero: topup,usage"
    )


def _add_amount_arguments(reading: _ArgumentGroup) -> None:
    """How amounts are written in the file. `reading`: the group of options that they belong to."""
    reading.add_argument("--decimal", type=_decimal, help="the decimal separator of amounts: point or comma (default: point)")
    reading.add_argument(
        "--thousands",
        type=_thousands,
        help=f"their thousands separator: one character or {', '.join(THOUSANDS)} (default: none)",
    )
    reading.add_argument("--scale", type=_scale, help="multiply amounts: 0.01 for cents (default: 1)")
    reading.add_argument("--numbers", choices=("plain", "scientific"), help="whether amounts may have exponents (3.45e-05)")
    reading.add_argument(
        "--rounding", choices=("refused", "half-even"), help="of amounts with more than 18 decimals (default: refused, row by row)"
    )
    reading.add_argument("--negative", choices=("sign", "parentheses"), help="how negative amounts are written: -1.50 or also (1.50)")


def manual(adapter: Adapter) -> str:
    """The text below the options: the columns, an example, the exit codes."""
    width = max(len(column.name) for column in adapter.columns)
    columns = [f"  {column.name:<{width}}  {'required; ' if column.required else ''}{column.help}" for column in adapter.columns]
    return "\n".join(
        [
            "columns (by these names or by their names in the APIs; --map gives others):",
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
            "            4 the database, the process that reads the file, or the report was lost, the text says how to go on;",
            "            130 stopped on request at the end of a batch, --resume continues.",
        ]
    )


def _pair(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not (name and equals and value):
        raise ArgumentTypeError(f"{written!r} is not of the form NAME=VALUE")
    return name, value


def _split_at_last_equals(written: str) -> tuple[str, str]:
    """THEIRS=OURS. The last = divides, since a name of the file may contain one."""
    theirs, equals, ours = written.rpartition("=")
    if not (theirs and equals and ours):
        raise ArgumentTypeError(f"{written!r} is not of the form THEIRS=OURS")
    return _unescaped(theirs), ours


def _rule(written: str) -> tuple[str, str]:
    theirs, equals, text = written.partition("=")
    if not (theirs and equals):
        raise ArgumentTypeError(f"{written!r} is not of the form THEIRS=TEXT")
    return theirs, _unescaped(text)


def _names(written: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in written.split(","))
    if not all(names):
        raise ArgumentTypeError(f"{written!r} is no list of names, such as a,b,c")
    return names


def _path(written: str) -> tuple[str, ...]:
    steps = tuple(written.split("."))
    if not all(steps):
        raise ArgumentTypeError(f"{written!r} is no path of members, such as data or data.results")
    return steps


def _two_types(written: str) -> tuple[str, ...]:
    types = _names(written)
    if len(types) != 2:
        raise ArgumentTypeError(f"{written!r} is not of the form PLUS,MINUS: topup,usage")
    return types


def _count(written: str) -> int:
    if not written.isdigit() or int(written) > MAX_SKIPPED_LINES:
        raise ArgumentTypeError(f"must be a whole number from 0 to {MAX_SKIPPED_LINES}")
    return int(written)


def _mapped_value(written: str) -> tuple[str, str, str]:
    """COLUMN:THEIRS=OURS as its three parts. The last = divides, since a value of the file may contain one."""
    column, colon, values = written.partition(":")
    theirs, equals, ours = values.rpartition("=")
    if not (column and colon and theirs and equals and ours):
        raise ArgumentTypeError(f"{written!r} is not of the form COLUMN:THEIRS=OURS")
    return column, _unescaped(theirs), ours


def _delimiter(written: str) -> str:
    character = DELIMITERS.get(written) or _unescaped(written)
    if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
        raise ArgumentTypeError(f"{written!r} is neither one ASCII character nor one of {', '.join(DELIMITERS)}")
    return character


def _decimal(written: str) -> str:
    character = {"point": ".", "comma": ","}.get(written, written)
    if character not in {".", ","}:
        raise ArgumentTypeError("must be point or comma")
    return character


def _thousands(written: str) -> str:
    character = THOUSANDS.get(written) or _unescaped(written)
    if len(character) != 1 or character.isalnum() or character in "+-()":
        raise ArgumentTypeError(f"{written!r} is neither one character nor one of {', '.join(THOUSANDS)}")
    return character


def _scale(written: str) -> str:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,18})?", written, re.ASCII) or not float(written):
        raise ArgumentTypeError(f"{written!r} is no plain decimal above zero, such as 0.01")
    return written


def _unescaped(written: str) -> str:
    r"""The text with \t, \xa0 and \u200b replaced by their characters: a shell passes them on as they are written."""
    if "\\" not in written:
        return written
    try:
        return written.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError as error:
        raise ArgumentTypeError(f"{written!r} has a broken escape: {error.reason}") from error


def _batch_size(written: str) -> int:
    if not written.isdigit() or not 1 <= int(written) <= MAX_BATCH_ROWS:
        raise ArgumentTypeError(f"must be a whole number from 1 to {MAX_BATCH_ROWS}")
    return int(written)


def _jobs(written: str) -> int:
    if not written.isdigit() or not 1 <= int(written) <= MAX_JOBS:
        raise ArgumentTypeError(f"must be a whole number from 1 to {MAX_JOBS}")
    return int(written)


def _rate(written: str) -> float:
    if not written.isdigit() or int(written) < 1:
        raise ArgumentTypeError("must be a whole number of rows a second, 1 or more")
    return float(written)
