"""Base models of the ledgers' tables."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from kernel.ledger.identifiers import new_id
from kernel.tenants.models import Tenant


class TenantOwned(models.Model):
    """A row that belongs to one tenant. Django's primary key is `id`; the database's is `id` and the tenant, which TenantKey creates.

    A ledger that was imported from another tenant keeps its ids, so two tenants may have rows with the same id: a row is saved and read
    again by its id and its tenant.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        abstract = True

    def _do_update(self, base_qs: Any, *args: Any, **kwargs: Any) -> Any:
        """Called by save(). Django would update every row with this id."""
        return super()._do_update(base_qs.filter(tenant_id=self.tenant_id), *args, **kwargs)

    def refresh_from_db(self, using: Any = None, fields: Any = None, from_queryset: Any = None) -> None:
        """Django would raise MultipleObjectsReturned where another tenant has a row with this id."""
        rows = type(self)._base_manager if from_queryset is None else from_queryset
        # A tenant that was not read yet (`only`) is read by this function itself.
        keys = {} if "tenant_id" in self.get_deferred_fields() else {"tenant_id": self.tenant_id}
        super().refresh_from_db(using=using, fields=fields, from_queryset=rows.filter(**keys))


class LedgerRow(TenantOwned):
    """A recorded fact, and who recorded it.

    `occurred_at` is when it happened, says the caller; `created_at` is when the ledger recorded it, says the database's clock. `actor` is
    one of `api_key:<id>`, `staff:<id>`, `command:<name>[:<run>]`, `job:<name>`; `request_id` names the HTTP request or run.
    """

    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=128)
    request_id = models.CharField(max_length=128, blank=True, default="")

    class Meta:
        abstract = True


class SameTenantKey(models.ForeignKey):
    """A reference by `id` that joins, and reads, a row of the same tenant only. A migration sees Django's ForeignKey."""

    def get_extra_restriction(self, alias: str, related_alias: str) -> Any:
        """The condition added to a join: `alias` is the table that is referred to, `related_alias` the one that refers."""
        theirs: Any = self.related_model._meta.get_field("tenant")
        ours: Any = self.model._meta.get_field("tenant")
        return theirs.get_lookup("exact")(theirs.get_col(alias), ours.get_col(related_alias))

    def get_extra_descriptor_filter(self, instance: Any) -> dict[str, Any]:
        """The condition under which `row.reference` is read."""
        return {"tenant_id": instance.tenant_id}

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.ForeignKey", args, kwargs


def tenant_foreign_key(to: str, *, null: bool = False, related_name: str = "+") -> models.ForeignKey:
    """A reference to a row of the same tenant. Its constraint is the composite one that TenantForeignKey creates, not Django's."""
    return SameTenantKey(to, models.PROTECT, null=null, blank=null, db_constraint=False, db_index=False, related_name=related_name)


def tenant_of_account() -> models.ForeignKey:
    """The tenant of a row whose composite reference to its account implies it, so that no constraint checks it again."""
    return models.ForeignKey(Tenant, models.PROTECT, related_name="+", db_index=False, db_constraint=False)


# PostgreSQL parses the text of a table's checks again for each statement that writes to it (docs/performance.md). These conditions say the
# same as Django's own with shorter texts. Arguments of Func stand in the order of their names, as migrations write them, because Django
# compares them in order.


def one_of(field: str, values: Iterable[str]) -> Q:
    """The same as `__in`, as one array."""
    return Q(Func(F(field), template=f"%(expressions)s = ANY ({_array(values)})", output_field=models.BooleanField()))


def one_of_by(field: str, *, null: str, values: Iterable[str], others: Iterable[str]) -> Q:
    """One of `values` where the field `null` is null, else one of `others`."""
    template = f"%(expressions)s THEN {_array(values)} ELSE {_array(others)} END)"
    by_null = Func(
        F(field), IsNull(F(null), rhs=True), arg_joiner=" = ANY (CASE WHEN ", template=template, output_field=models.BooleanField()
    )
    return Q(by_null)


def differs(field: str, other: Any) -> Q:
    """The field isn't equal to the other value or F(); true where one of them is null."""
    return Q(Func(F(field), other, arg_joiner=" <> ", template="%(expressions)s", output_field=models.BooleanField()))


def _array(values: Iterable[str]) -> str:
    return "'{{{}}}'::text[]".format(",".join(value or '""' for value in values))
