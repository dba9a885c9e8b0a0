"""A thin mouth over kernel.ledger.exporting: one book of one tenant as a file."""

import gzip
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

import billing.history.exports
import credits.history.exports
import metering.history.exports
from kernel.ledger.exporting import CSV, FORMATS, NoParquet, open_output, write_export
from kernel.tenants import selectors
from kernel.tenants.errors import DomainError

EXPORTS = {
    export.name: export
    for export in (*billing.history.exports.EXPORTS, *credits.history.exports.EXPORTS, *metering.history.exports.EXPORTS)
}


class Command(BaseCommand):
    help = (
        "Write one book of a tenant as CSV, JSON Lines or Parquet; its backfill reads the first two back into an identical book."
        " Example: manage.py export_ledger acme billing-transactions --format jsonl --output acme.jsonl.gz"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="slug or id of the tenant")
        parser.add_argument("book", choices=list(EXPORTS), help="; ".join(f"{name}: {export.says}" for name, export in EXPORTS.items()))
        parser.add_argument("--format", choices=FORMATS, default=CSV, help="Parquet needs pyarrow (default: csv)")
        parser.add_argument("--output", metavar="FILE", help="where to; .gz packs it (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        export = EXPORTS[options["book"]]
        try:
            tenant = selectors.get_tenant(tenant=options["tenant"])
            count = self._write(export, tenant, options["format"], options["output"])
        except DomainError as error:
            raise CommandError(str(error), returncode=3) from error
        except NoParquet as error:
            raise CommandError("Parquet needs the package pyarrow: install it beside the service, or take csv.", returncode=3) from error
        self.stderr.write(self.style.SUCCESS(f"{count:,} rows of {tenant.slug}. {export.command} reads them back."))

    def _write(self, export: Any, tenant: Any, format: str, output: str | None) -> int:
        if output is None:
            return write_export(export, tenant_id=tenant.id, file=sys.stdout.buffer, format=format)
        path = Path(output)
        with open_output(path) as unfinished:
            count = self._packed(export, tenant, format, unfinished, is_packed=path.suffix == ".gz")
        Path(unfinished.name).replace(path)
        return count

    def _packed(self, export: Any, tenant: Any, format: str, file: BinaryIO, *, is_packed: bool) -> int:
        if not is_packed:
            return write_export(export, tenant_id=tenant.id, file=file, format=format)
        with gzip.open(file, "wb", compresslevel=6) as packed:
            return write_export(export, tenant_id=tenant.id, file=packed, format=format)
