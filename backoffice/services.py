"""What is written of the back office's own rows by its pages."""

from collections.abc import Iterable
from uuid import UUID

from backoffice.models import Customer, KeptDuplicate, id_of_customer
from billing.models import Transaction
from kernel.base.setting_author import setting_author


def keep_duplicates(rows: Iterable[Transaction], *, reason: str, actor: str) -> None:
    """Decide that entries repeat none. Where one was decided before, the first decision stands."""
    decisions = [KeptDuplicate(tenant_id=row.tenant_id, transaction_id=row.pk, reason=reason, decided_by=actor) for row in rows]
    KeptDuplicate.objects.bulk_create(decisions, ignore_conflicts=True)


def open_customer(tenant_id: UUID, customer_id: str, *, actor: str, request_id: str) -> Customer:
    """The customer's row, which a correction of it names; made without a name where there is none."""
    made = {"id": id_of_customer(tenant_id, customer_id), "updated_by": actor}
    with setting_author(actor=actor, request_id=request_id):
        customer, _ = Customer.objects.get_or_create(tenant_id=tenant_id, customer_id=customer_id, defaults=made)
    return customer
