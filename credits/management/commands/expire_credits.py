"""The command line of credits.services.expire_grants."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any
from uuid import UUID

from tqdm import tqdm

from credits import selectors, services
from kernel.base.commands import DomainCommand
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import trimmed_digits
from kernel.ledger.outcomes import POSTED
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id


class Command(DomainCommand):
    help = "Debit what is left of grants past their last day. May be run again at any time. Example: manage.py expire_credits --dry-run"

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)
        parser.add_argument("--dry-run", action="store_true", help="write nothing; print for each tenant how much would expire")

    def handle(self, *args: Any, **options: Any) -> str:
        tenant_id = chosen_tenant_id(options)
        return self.report_due(tenant_id) if options["dry_run"] else self.expire(tenant_id, quiet=not options["verbosity"])

    def report_due(self, tenant_id: UUID | None) -> str:
        totals = selectors.due_totals(tenant_id=tenant_id)
        lines = [
            f"{row['tenant__slug']}: {row['grants']} grants, {trimmed_digits(row['amount'])} {row['metric_id'] or row['currency']}"
            for row in totals
        ]
        return "\n".join([*lines, f"{sum(row['grants'] for row in totals)} grants would expire. Nothing was written."])

    def expire(self, tenant_id: UUID | None, *, quiet: bool) -> str:
        run = str(new_id())
        due = selectors.count_due_grants(tenant_id=tenant_id)
        outcomes: Counter[str] = Counter()
        with tqdm(total=due, unit="grant", disable=quiet or None) as bar:
            for batch in services.expire_grants(actor=f"command:expire_credits:{run}", request_id=run, tenant_id=tenant_id):
                outcomes.update(closing.row.outcome for closing in batch)
                bar.update(len(batch))
        return f"{outcomes[POSTED]} grants expired, {outcomes['nothing_left']} had nothing left."
