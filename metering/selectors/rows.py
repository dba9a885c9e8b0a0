"""What the reads of metering share."""

from typing import Any, TypeAlias
from uuid import UUID

from kernel.ledger.errors import NotFound
from metering.models import Transaction

# A row as a queryset's `values()` has it: a dictionary of columns, not the row of a posting function. Any, because each column has a type
# of its own.
RowDict: TypeAlias = Any


def rows_of(queryset: Any) -> list[RowDict]:
    """A queryset's rows. Its `values()` has a type of its own for every set of columns; this has one."""
    return list(queryset)


def check_exists(*, tenant_id: UUID, transaction_id: UUID) -> None:
    """Check that the tenant has this transaction. Raises NotFound."""
    if not Transaction.objects.filter(tenant_id=tenant_id, id=transaction_id).exists():
        raise NotFound(kind="transaction", id=transaction_id)
