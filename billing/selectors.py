"""Every read of the billing book; the tenant comes first. Nothing here changes a row."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import QuerySet

from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from kernel.ledger.errors import NotFound

# A queryset of mappings, by values().
Rows: TypeAlias = "QuerySet[Any, dict[str, Any]]"

# What a reply is made of: the same names that a posting's row has.
TRANSACTION_FIELDS = (
    "id",
    "amount",
    "type",
    "direction",
    "reference_id",
    "agent_id",
    "description",
    "currency",
    "effect",
    "balance_after",
    "entry_number",
    "occurred_at",
    "created_at",
    "metadata",
    "reverses_id",
    "reversed_by_id",
    "reversed_amount",
    "reason_code",
    "reason",
    "flags",
    "near_duplicate_of_id",
)
# The filters of a list, each with the look-up it means.
FILTERS = {
    "type": "type",
    "reference_id": "reference_id",
    "agent_id": "agent_id",
    "currency": "currency",
    "amount_min": "amount__gte",
    "amount_max": "amount__lte",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
    "occurred_from": "occurred_at__gte",
    "occurred_to": "occurred_at__lt",
}


def list_transactions(*, tenant_id: UUID, filters: Mapping[str, Any] | None = None) -> Rows:
    """The tenant's entries as rows of TRANSACTION_FIELDS. `filters`: by the names in FILTERS; periods end before `_to`."""
    wanted = {FILTERS[name]: value for name, value in (filters or {}).items() if value is not None}
    rows: Rows = Transaction.objects.filter(tenant_id=tenant_id, **wanted).values(*TRANSACTION_FIELDS)
    return rows


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    row = list_transactions(tenant_id=tenant_id).filter(id=transaction_id).first()
    if row is None:
        raise NotFound(kind="transaction", id=transaction_id)
    return row


def list_wallets(*, tenant_id: UUID) -> Rows:
    """The tenant's wallets as they stand, by currency."""
    fields = ("currency", "balance", "floor", "last_entry_number", "last_entry_at")
    rows: Rows = Wallet.objects.filter(tenant_id=tenant_id).order_by("currency").values(*fields)
    return rows


def list_types(*, tenant_id: UUID) -> QuerySet:
    """The types that the tenant defined or used; the shipped ones it never used aren't among them."""
    return TransactionType.objects.filter(tenant_id=tenant_id).order_by("code")


def list_daily_totals(*, tenant_id: UUID) -> QuerySet:
    return DailyTotal.objects.filter(tenant_id=tenant_id)
