"""What commands of manage.py have in common."""

from argparse import ArgumentParser
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator
from kernel.tenants.selectors import get_tenant


def amount_or_none(text: str) -> Decimal | None:
    """An amount, or `none`. Raises ValueError."""
    if text.lower() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error


def seconds_or_none(text: str) -> int | None:
    """A number of seconds, or `none`. Raises ValueError."""
    return None if text.lower() == "none" else int(text)


def add_tenant_option(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", help="slug or id of one tenant (default: all)")


def chosen_tenant_id(options: Mapping[str, Any]) -> UUID | None:
    """The id of the tenant that --tenant names; None for all. Raises TenantNotFound."""
    return get_tenant(tenant=options["tenant"]).id if options["tenant"] else None


class DomainCommand(BaseCommand):
    """A command that services may refuse: the operator reads their error in words, without a traceback."""

    refused_returncode = 1

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(message_for_operator(error), returncode=self.refused_returncode) from error
