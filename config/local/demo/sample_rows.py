"""The rows of the demo: a tenant, its key, a member of staff, and the grant that the published credits example draws on."""

import os
import secrets
import shlex
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from django.contrib.auth import get_user_model

from credits import services as credits
from kernel.tenants import callers
from kernel.tenants import services as tenants
from kernel.tenants.errors import NotAuthenticated, TenantNotFound
from kernel.tenants.models import Tenant
from kernel.tenants.scopes import all_scopes
from kernel.tenants.selectors import get_tenant

SLUG = "demo"
# The id that the published credits example names.
PUBLISHED_GRANT = UUID("746fc7f2-8098-4fe7-953c-7d51c580a126")
STAFF_USER = "demo-staff"
ACTOR = "command:demo"


def create_rows(known: dict[str, str]) -> dict[str, str]:
    """Create what is missing. `known` is what the last run wrote: its secrets that still work are kept, for they can't be read again."""
    tenant = find_or_create_tenant()
    create_grant(tenant)
    return {
        "TENANT_ID": str(tenant.id),
        **find_or_create_key(tenant, known),
        **find_or_create_staff(known),
    }


def find_or_create_tenant() -> Tenant:
    try:
        return get_tenant(tenant=SLUG)
    except TenantNotFound:
        return tenants.create_tenant(actor=ACTOR, name="Demo company", slug=SLUG, currency="USD")


def create_grant(tenant: Tenant) -> None:
    """The grant that the published example draws on. It has a fixed id, so making it again finds it."""
    credits.create_grant(
        tenant_id=tenant.id,
        actor=ACTOR,
        request_id="",
        grant_id=PUBLISHED_GRANT,
        customer_id="demo-customer",
        name="Onboarding credits",
        unit_type="CURRENCY",
        currency="GBP",
        amount=Decimal(1000),
        cost_of_credit=Decimal(800),
    )


def find_or_create_key(tenant: Tenant, known: dict[str, str]) -> dict[str, str]:
    try:
        caller = callers.caller_of_key(known.get("API_KEY", ""))
        if caller.tenant_id == tenant.id and known.get("BASIC"):
            return {"API_KEY": known["API_KEY"], "BASIC": known["BASIC"]}
    except NotAuthenticated:
        pass
    issued = tenants.create_api_key(tenant=tenant, name="Demo", actor=ACTOR, scopes=all_scopes(), expires_at=None)
    return {"API_KEY": issued.token, "BASIC": issued.basic}


def find_or_create_staff(known: dict[str, str]) -> dict[str, str]:
    users = get_user_model().objects
    password = known.get("STAFF_PASSWORD") or secrets.token_urlsafe(12)
    user = users.filter(username=STAFF_USER).first()
    if user is None:
        users.create_superuser(username=STAFF_USER, email="", password=password)
    elif not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return {"STAFF_USER": STAFF_USER, "STAFF_PASSWORD": password}


def read_environment(path: Path) -> dict[str, str]:
    """What an earlier run wrote; nothing where the file is missing or was damaged."""
    try:
        words = shlex.split(path.read_text(), comments=True)
    except (OSError, ValueError):
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def write_environment(path: Path, values: dict[str, str]) -> None:
    """Only the owner may read it: it holds a key and a password. Replaced in one step, so that a reader never sees half of it."""
    lines = ["# Written by bin/demo, for this machine alone.", *(f"export {name}={shlex.quote(value)}" for name, value in values.items())]
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    unfinished.replace(path)
