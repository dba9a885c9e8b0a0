"""Recomputes the balances, held amounts and daily totals that are stored beside the entries."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from backoffice.integrity.checks import CHECKS
from billing.services import rebuild_wallets
from credits.services import rebuild_grants
from kernel.base.commands import DomainCommand
from kernel.ledger.integrity.checks import Violation, find_violations
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id

# The checks of what this command recomputes. Every other violation is in the entries, which no command may change.
RECOMPUTED = (
    "billing_wallet_equals_last_entry",
    "billing_held_equals_holds",
    "billing_daily_total",
    "credits_grant_equals_last_entry",
    "credits_held_equals_lines",
)
MAX_VIOLATIONS = 1000


class Command(DomainCommand):
    refused_returncode = 3
    help = (
        "Recompute the balances of wallets and grants, held amounts and daily totals from the entries, where they differ."
        " The entries are never touched. Metering's sums: rebuild_rollups. Example: manage.py rebuild_balances --plan"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--plan", action="store_true", help="report what differs and change nothing; exit code 1 if anything does")
        what.add_argument("--apply", action="store_true", help="recompute it, tenant by tenant; the tenant's postings wait meanwhile")
        add_tenant_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        tenant_id = chosen_tenant_id(options)
        violations = self._violations(tenant_id)
        for violation in violations:
            facts = ", ".join(f"{name}={value}" for name, value in violation.facts.items())
            self.stdout.write(f"{violation.check.name}: {facts}")
        if options["apply"]:
            self._rebuild(sorted({violation.facts["tenant_id"] for violation in violations}))
        if not violations:
            self.stdout.write(self.style.SUCCESS("Every balance and total is that of its entries."))
        elif options["plan"]:
            raise SystemExit(1)

    def _rebuild(self, tenants: list[UUID]) -> None:
        """Recompute each tenant in one transaction for each ledger. Raises LedgerBroken, and that ledger is unchanged then."""
        for tenant_id in tenants:
            wallets, grants = rebuild_wallets(tenant_id=tenant_id), rebuild_grants(tenant_id=tenant_id)
            self.stdout.write(self.style.SUCCESS(f"{tenant_id}: {wallets} wallets and {grants} grants corrected, daily totals recomputed."))
        if self._violations(None if len(tenants) != 1 else tenants[0]):
            raise CommandError("Something still differs: run verify_ledgers.", returncode=1)

    def _violations(self, tenant_id: UUID | None) -> list[Violation]:
        checks_of_sums = [check for checks in CHECKS.values() for check in checks if check.name in RECOMPUTED]
        return list(find_violations(checks_of_sums, tenant_id=tenant_id, at_most=MAX_VIOLATIONS))
