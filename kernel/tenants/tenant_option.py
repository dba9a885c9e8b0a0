"""The option --tenant of commands."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel.tenants.selectors import get_tenant


def add_tenant_option(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", help="slug or id of one tenant (default: all)")


def chosen_tenant_id(options: Mapping[str, Any]) -> UUID | None:
    """The id of the tenant that --tenant names; None for all. Raises TenantNotFound."""
    return get_tenant(tenant=options["tenant"]).id if options["tenant"] else None
