"""Calls metering.services.repricing."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from kernel.base.commands import DomainCommand
from kernel.ledger.errors import NotFound
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import trimmed_digits
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id
from metering.services import RepricingReport, reprice_transactions, undo_repricing


def moment(text: str) -> datetime:
    """An ISO 8601 moment, of a day its first; in UTC unless it has an offset."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Command(DomainCommand):
    help = "Compute costs that came from facts again by the prices known now; shows what would change, and with --apply posts it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)
        parser.add_argument("--service", help="only transactions of this service")
        parser.add_argument("--model", help="only this model")
        parser.add_argument("--from", dest="since", type=moment, help="only transactions from this moment on (ISO 8601)")
        parser.add_argument("--to", dest="until", type=moment, help="only transactions before this moment (ISO 8601)")
        parser.add_argument("--apply", action="store_true", help="post superseding costs; without it nothing is changed")
        parser.add_argument("--undo", type=UUID, metavar="RUN", help="supersede back what this run posted")

    def handle(self, *args: Any, **options: Any) -> str:
        run = new_id()
        try:
            tenant_id = chosen_tenant_id(options)
            if options["undo"]:
                report = undo_repricing(undone=options["undo"], run=run, apply=options["apply"])
            else:
                asked = {name: options[name] for name in ("service", "model", "since", "until", "apply")}
                report = reprice_transactions(run=run, tenant_id=tenant_id, **asked)
        except NotFound as error:
            raise CommandError(f"No re-pricing {options['undo']} has posted anything.") from error
        self.show(report)
        if not options["apply"]:
            return "Nothing was changed: --apply posts this."
        return f"Run {run} posted {report.changed} costs. Undo it with: manage.py reprice_transactions --undo {run} --apply"

    def show(self, report: RepricingReport) -> None:
        for (tenant_id, day, currency), sums in sorted(report.days.items()):
            difference = trimmed_digits(sums.new - sums.old)
            self.stdout.write(
                f"{tenant_id} {day} {currency}: {sums.costs} costs, {trimmed_digits(sums.old)} -> {trimmed_digits(sums.new)} ({difference})"
            )
        self.stdout.write(
            f"{report.seen} costs looked at, {report.changed} differ, {report.unpriced} without a price, {report.skipped} skipped."
        )
