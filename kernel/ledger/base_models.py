"""What every table of a ledger has in common."""

from django.db import models
from django.db.models.functions import Now

from kernel.ledger.identifiers import new_id
from kernel.tenants.models import Tenant


class TenantOwned(models.Model):
    """A row of one tenant's book. Django knows it by `id`; in the database `id` and the tenant are the key, laid by TenantKey."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        abstract = True


class LedgerRow(TenantOwned):
    """A fact in the book, and who put it there.

    `occurred_at` is when it happened in the world, the caller's word; `created_at` is when the book took it, the database's. `actor` is
    one of `api_key:<id>`, `staff:<id>`, `command:<name>[:<run>]`, `job:<name>`; `request_id` names the HTTP request or run.
    """

    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=128)
    request_id = models.CharField(max_length=128, blank=True, default="")

    class Meta:
        abstract = True


def tenant_foreign_key(to: str, *, null: bool = False, related_name: str = "+") -> models.ForeignKey:
    """A reference inside one tenant's book. The constraint is the composite one that TenantForeignKey lays, not Django's."""
    return models.ForeignKey(to, models.PROTECT, null=null, blank=null, db_constraint=False, db_index=False, related_name=related_name)


def tenant_of_account() -> models.ForeignKey:
    """The tenant of a row whose account, named by a composite key, is the tenant's: the database needn't look it up once more per row."""
    return models.ForeignKey(Tenant, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
