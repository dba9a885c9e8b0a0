"""Reads of what is declared for usage, and of how far it is counted."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import DateTimeField, Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from kernel.ledger.errors import NotFound
from kernel.tenants.models import Tenant
from metering.errors import KeyNotCounted
from metering.models import Transaction, Usage, UsageKey, UsageNote, UsageProgress
from metering.selectors.rows import RowDict

BEFORE_ALL = Value(datetime(1900, 1, 1, tzinfo=UTC), output_field=DateTimeField())


def query_usage_keys(*, tenant_id: UUID) -> "QuerySet[UsageKey]":
    """The keys that a tenant has declared and not withdrawn."""
    return UsageKey.objects.filter(tenant_id=tenant_id, withdrawn_at__isnull=True)


def list_usage_keys(*, tenant_id: UUID) -> list[UsageKey]:
    """The same, in the order of their dimensions' numbers."""
    return list(query_usage_keys(tenant_id=tenant_id).order_by("number"))


def get_usage_key(*, tenant_id: UUID, key_id: UUID) -> UsageKey:
    """One of them. Raises NotFound."""
    found = query_usage_keys(tenant_id=tenant_id).filter(id=key_id).first()
    if found is None:
        raise NotFound(kind="usage_key", id=key_id)
    return found


def list_tenants_to_count() -> list[UUID]:
    """The tenants with transactions whose usage is to be counted."""
    keys = {"tenant_id": OuterRef("id")}
    until = Subquery(UsageProgress.objects.filter(**keys).values("counted_until")[:1], output_field=DateTimeField())
    counted = Usage.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("id"))
    fresh = Transaction.objects.filter(~Exists(counted), created_at__gte=OuterRef("until"), **keys)
    tenants = Tenant.objects.annotate(until=Coalesce(until, BEFORE_ALL)).filter(Exists(UsageNote.objects.filter(**keys)) | Exists(fresh))
    return list(tenants.order_by("id").values_list("id", flat=True))


def check_counted(keys: Iterable[UsageKey], *, names: Collection[str], since: datetime) -> None:
    """Check that a span that begins with `since` is counted by those of the keys that are named. Raises KeyNotCounted."""
    for key in keys:
        if str(key) in names and key.counts_from is not None and since < key.counts_from:
            raise KeyNotCounted(key=str(key), since=f"{key.counts_from.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")


def to_row(key: UsageKey) -> RowDict:
    """A key as replies show it."""
    names = ("id", "place", "name", "declared_at", "counts_from")
    return {name: getattr(key, name) for name in names} | {"key": str(key), "is_complete": key.counts_from is None}
