"""A thin mouth over backoffice.integrity."""

import json
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from backoffice.integrity import LEDGERS, searches
from backoffice.integrity_runs import remember_check
from kernel.ledger.integrity.checks import Violation
from kernel.tenants import selectors
from kernel.tenants.errors import DomainError


class Command(BaseCommand):
    help = (
        "Recompute every book from its entries, and name the first rows that are wrong. Exit code 1 if there are any."
        " Example: manage.py verify_ledgers --tenant acme"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="slug or id of one tenant (default: all)")
        parser.add_argument("--ledger", action="append", choices=LEDGERS, help="one book, repeatable (default: all)")
        parser.add_argument("--at-most", type=int, default=1, metavar="ROWS", help="wrong rows named for each check (default: 1)")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant_id = selectors.get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
        except DomainError as error:
            raise CommandError(str(error), returncode=3) from error
        self.quiet = options["json"]
        wanted = [search for ledger in options["ledger"] or LEDGERS for search in searches(ledger)]
        checks = [self._prove(*search, tenant_id, options["at_most"]) for search in wanted]
        remember_check(tenant_id=tenant_id, ledgers=options["ledger"] or LEDGERS, checks=checks)
        if self.quiet:
            self.stdout.write(json.dumps({"violations": sum(len(check["violations"]) for check in checks), "checks": checks}))
        if any(check["violations"] for check in checks):
            raise SystemExit(1)

    def _prove(self, name: str, rule: str, search: Any, tenant_id: UUID | None, at_most: int) -> dict[str, Any]:
        began = time.monotonic()
        violations = [_written(violation) for violation in search(tenant_id, at_most)]
        seconds = round(time.monotonic() - began, 3)
        if not self.quiet:
            self._tell(name, rule, violations, seconds)
        return {"check": name, "rule": rule, "seconds": seconds, "violations": violations}

    def _tell(self, name: str, rule: str, violations: list[dict[str, Any]], seconds: float) -> None:
        if not violations:
            self.stdout.write(f"ok     {name:<28} {seconds:>8.3f} s")
            return
        self.stdout.write(self.style.ERROR(f"WRONG  {name:<28} {seconds:>8.3f} s"))
        self.stdout.write(f"       {rule} Not so:")
        for violation in violations:
            self.stdout.write("       " + ", ".join(f"{column}={value}" for column, value in violation.items()))


def _written(violation: Violation) -> dict[str, Any]:
    """A violation's columns as JSON holds them; amounts stay decimal texts."""
    return {name: value if isinstance(value, bool | int | list | None) else str(value) for name, value in violation.facts.items()}
