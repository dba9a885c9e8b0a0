"""Write one ledger of a tenant to a file, or all of its ledgers to a folder."""

import gzip
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.core.management.base import CommandError
from django.db import DatabaseError

from backoffice.exports.ledger_files import EXPORTS
from kernel.backfills.terminal.progress_bar import Progress
from kernel.base.commands import DomainCommand
from kernel.ledger.exports.definitions import LedgerFile
from kernel.ledger.exports.writing import CSV, FORMATS, PARQUET, NoParquet, new_file, one_snapshot, require_parquet, write_export
from kernel.tenants import selectors
from kernel.tenants.models import Tenant

ALL = "all"
PACKED = ".gz"


class Command(DomainCommand):
    refused_returncode = 3
    help = "Write a tenant's ledgers to files: CSV, JSON Lines or Parquet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = manual()
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("name", choices=[*EXPORTS, ALL], metavar="name", help="one of the names below, or all")
        parser.add_argument("--format", choices=FORMATS, help="default: from the file's name, else csv")
        parser.add_argument(
            "--output",
            metavar="PATH",
            type=Path,
            help="the file, compressed if .gz (default, and -: standard output); for all, the folder",
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        name, visible = options["name"], not options["no_progress"]
        # As other commands take it, "-" is standard output and no file of that name.
        output: Any = None if options["output"] == Path("-") else options["output"]
        format = _format(options["format"], None if name == ALL else output)
        _check(name, format, output)
        try:
            tenant = selectors.get_tenant(tenant=options["tenant"])
            if name == ALL:
                self._write_all(tenant, format, output, visible=visible)
            else:
                self._write(EXPORTS[name], tenant, format, output, visible=visible)
        except BrokenPipeError as error:
            # Python flushes standard output once more at exit, which would print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CommandError("Standard output was closed before everything was written.", returncode=3) from error
        except OSError as error:
            raise CommandError(f"The file can't be written: {error}", returncode=3) from error
        except DatabaseError as error:
            raise CommandError(f"The database refused: {str(error).splitlines()[0]}", returncode=4) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped on request; the incomplete file is deleted.", returncode=130) from error

    def _write_all(self, tenant: Tenant, format: str, folder: Path, *, visible: bool) -> None:
        # One snapshot: a transaction posted between two files would otherwise be in the second one only.
        with one_snapshot():
            for export in EXPORTS.values():
                self._write(export, tenant, format, folder / f"{export.name}.{format}", visible=visible)

    def _write(self, export: LedgerFile, tenant: Tenant, format: str, output: Path | None, *, visible: bool) -> None:
        with _target(output) as file, Progress(label=export.name, total=None, unit="row", visible=visible) as progress:
            count = write_export(export, tenant_id=UUID(str(tenant.id)), file=file, format=format, on_rows=progress.advance)
        where = "" if output is None else f" to {output}"
        what = f"{export.name}: {count:,} {'row' if count == 1 else 'rows'} of {tenant.slug}{where}."
        back = f" {export.command} imports them." if export.command and format != PARQUET else " For the record: nothing imports them."
        self.stderr.write(self.style.SUCCESS(what + back))


def manual() -> str:
    """The text below the options: the ledgers, which of them can be imported, examples."""
    width = max(map(len, EXPORTS))
    back = [
        f"  {name:<{width}}  {export.description}\n  {'':<{width}}  ({export.command})"
        for name, export in EXPORTS.items()
        if export.command
    ]
    for_the_record = [f"  {name:<{width}}  {export.description}" for name, export in EXPORTS.items() if not export.command]
    return "\n".join(
        [
            "imported into an identical ledger, in this order, from CSV and JSON Lines:",
            *back,
            "",
            "for the record only, nothing imports them:",
            *for_the_record,
            "",
            "Amounts and times are text with every digit. Parquet has them as decimals of 38 digits and as UTC timestamps, and is",
            "for the record only. CSV can't distinguish an empty text from an absent one; JSON Lines can.",
            "",
            "examples:",
            "  manage.py export_ledger acme billing-transactions --output acme.jsonl.gz",
            "  manage.py backfill_billing_transactions other acme.jsonl.gz --plan",
            "  manage.py export_ledger acme all --format parquet --output archive/acme     all ledgers as of one moment",
            "",
            "exit codes: 0 done; 2 wrong usage; 3 the file could not be written, the text says why; 4 the database was lost;",
            "            130 stopped on request.",
        ]
    )


def _format(requested: str | None, output: Path | None) -> str:
    """The requested format, else the one in the file's name. Raises CommandError if the two differ."""
    name = "" if output is None else output.name.removesuffix(PACKED).rpartition(".")[2]
    named = {"ndjson": "jsonl"}.get(name, name)
    if requested and named in FORMATS and requested != named:
        raise CommandError(f"--format {requested} doesn't go with a file called {output}.", returncode=2)
    return requested or (named if named in FORMATS else CSV)


def _check(name: str, format: str, output: Path | None) -> None:
    """Raises CommandError for a combination that can't be written."""
    if name == ALL and output is None:
        raise CommandError("All ledgers need a folder: add --output FOLDER.", returncode=2)
    if format != PARQUET:
        return
    if output is None:
        raise CommandError("Parquet isn't for standard output: add --output FILE.", returncode=2)
    if output.suffix == PACKED:
        raise CommandError("Parquet is compressed already: leave out .gz.", returncode=2)
    try:
        require_parquet()
    except NoParquet as error:
        raise CommandError("Parquet needs the package pyarrow: install it beside the service, or take csv.", returncode=3) from error


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO | gzip.GzipFile]:
    if output is None:
        yield sys.stdout.buffer
        return
    with new_file(output) as file:
        if output.suffix != PACKED:
            yield file
            return
        with gzip.open(file, "wb", compresslevel=6) as packed:
            yield packed
