"""Runs the integrity checks of the ledgers and reports the rows that break them."""

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import DatabaseError

from backoffice.integrity.checks import LEDGERS, Search, checks_of, count_rows
from backoffice.integrity.runs import save_integrity_run
from kernel.backfills.terminal.output import discard_stdout
from kernel.base.commands import DomainCommand
from kernel.ledger.database_errors import reason_for_operators
from kernel.ledger.integrity.checks import Violation
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id


class Command(DomainCommand):
    refused_returncode = 3
    help = (
        "Recompute every ledger from its entries and report the first rows that are wrong."
        " Exit codes: 0 no violations; 1 violations; 3 or 4 not everything was checked, the text says why; 130 stopped on request."
        " Example: manage.py verify_ledgers --tenant acme"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)
        parser.add_argument("--ledger", action="append", choices=LEDGERS, help="one ledger, repeatable (default: all)")
        parser.add_argument("--at-most", type=_positive, default=1, metavar="ROWS", help="wrong rows reported for each check (default: 1)")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant_id = chosen_tenant_id(options)
            violations = self._verify(tenant_id, options["ledger"] or LEDGERS, options["at_most"], as_json=options["json"])
            self.stdout.flush()
        except BrokenPipeError as error:
            discard_stdout()
            raise CommandError("Standard output was closed before everything was checked.", returncode=3) from error
        except DatabaseError as error:
            raise CommandError(f"Not everything was checked. The database refused: {reason_for_operators(error)}.", returncode=4) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped on request: not everything was checked.", returncode=130) from error
        if violations:
            raise SystemExit(1)

    def _verify(self, tenant_id: UUID | None, ledgers: Any, at_most: int, *, as_json: bool) -> int:
        """Run the checks, print the report and return the number of violations found."""
        began = time.monotonic()
        rows = {ledger: count_rows(ledger, tenant_id=tenant_id) for ledger in ledgers}
        wanted = [search for ledger in ledgers for search in checks_of(ledger)]
        checks = []
        for number, (name, rule, search) in enumerate(wanted, start=1):
            self._show_progress(f"{number} of {len(wanted)}: {name}")
            check = _run(name, rule, search, tenant_id, at_most)
            self._show_progress("")
            checks.append(check)
            if not as_json:
                self._print_check(check)
        save_integrity_run(tenant_id=tenant_id, ledgers=ledgers, checks=checks)
        violations = sum(len(check["violations"]) for check in checks)
        seconds = round(time.monotonic() - began, 3)
        if as_json:
            result = "violations" if violations else "ok"
            report = {"result": result, "violations": violations, "rows": rows, "seconds": seconds, "checks": checks}
            self.stdout.write(json.dumps(report))
        else:
            self._print_result(checks, rows, violations, seconds)
        return violations

    def _show_progress(self, text: str) -> None:
        """On a terminal, the running check in one line that the next call overwrites."""
        if sys.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{text}", ending="")
            self.stderr.flush()

    def _print_check(self, check: dict[str, Any]) -> None:
        line = f"{check['check']:<28} {check['seconds']:>8.3f} s"
        if not check["violations"]:
            self.stdout.write(f"ok     {line}")
            return
        self.stdout.write(self.style.ERROR(f"WRONG  {line}"))
        self.stdout.write(f"       Rule: {check['rule']} Broken by:")
        for violation in check["violations"]:
            self.stdout.write("       " + ", ".join(f"{column}={value}" for column, value in violation.items()))

    def _print_result(self, checks: list[dict[str, Any]], rows: dict[str, int], violations: int, seconds: float) -> None:
        broken = sum(1 for check in checks if check["violations"])
        counted = ", ".join(f"{count:,} rows of {ledger}" for ledger, count in rows.items())
        scope = f"{len(checks)} checks over {counted} in {seconds:,.1f} s."
        if violations:
            self.stdout.write(self.style.ERROR(f"Result: WRONG. {broken} of {scope} {violations} violations are listed above."))
        else:
            self.stdout.write(self.style.SUCCESS(f"Result: ok. {scope} No violations."))


def _run(name: str, rule: str, search: Search, tenant_id: UUID | None, at_most: int) -> dict[str, Any]:
    began = time.monotonic()
    violations = [_as_json(violation) for violation in search(tenant_id, at_most)]
    return {"check": name, "rule": rule, "seconds": round(time.monotonic() - began, 3), "violations": violations}


def _as_json(violation: Violation) -> dict[str, Any]:
    """A violation's columns as JSON values; amounts are decimal texts."""
    return {name: value if isinstance(value, bool | int | list | None) else str(value) for name, value in violation.facts.items()}


def _positive(written: str) -> int:
    if not written.isdigit() or int(written) < 1:
        raise ArgumentTypeError("must be a whole number, 1 or more")
    return int(written)
