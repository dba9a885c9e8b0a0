"""Calls metering.services.usage_counting and usage_keys."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from kernel.base.commands import DomainCommand
from kernel.tenants.tenant_option import add_tenant_option, chosen_tenant_id
from metering import services


class Command(DomainCommand):
    help = (
        "Count what transactions used since the last time, and count by new keys what was counted without them."
        " Example: manage.py count_usage --tenant acme --again"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_tenant_option(parser)
        parser.add_argument("--again", action="store_true", help="delete the tenant's sums first and count everything anew")

    def handle(self, *args: Any, **options: Any) -> str:
        if options["again"] and not options["tenant"]:
            raise CommandError("--again needs --tenant: questions about usage wait while everything is counted anew.")
        tenant_id = chosen_tenant_id(options)
        if tenant_id is None:
            counted = services.count_all_usage()
        else:
            count = services.recount_usage if options["again"] else services.count_usage
            counted = count(tenant_id=tenant_id)
        services.backfill_keys(tenant_id=tenant_id)
        return f"{counted} transactions counted."
