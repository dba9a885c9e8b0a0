"""The rows that the back office itself has of customers: their names and properties. A customer may have grants and no row."""

from collections.abc import Iterable
from uuid import UUID

from backoffice.models import Customer, id_of_customer
from kernel.base.setting_author import setting_author
from kernel.tenants.models import Tenant

# The longest id of a customer.
MAX_ID = 255


def rows_of_customers(*, tenant_id: UUID, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """By customer id; without those who have no row. One query."""
    rows = Customer.objects.filter(tenant_id=tenant_id, customer_id__in=customer_ids)
    return {row.customer_id: row for row in rows}


def row_of_customer(*, tenant_id: UUID, customer_id: str) -> Customer | None:
    return rows_of_customers(tenant_id=tenant_id, customer_ids=[customer_id]).get(customer_id)


def open_customer(tenant_id: UUID, customer_id: str, *, actor: str, request_id: str) -> Customer:
    """The customer's row, which a correction of it names; made without a name where there is none."""
    made = {"id": id_of_customer(tenant_id, customer_id), "updated_by": actor}
    with setting_author(actor=actor, request_id=request_id):
        customer, _ = Customer.objects.get_or_create(tenant_id=tenant_id, customer_id=customer_id, defaults=made)
    return customer


def name_of_new(tenant_id: UUID, customer_id: str) -> str:
    """What names the row of a customer that has none yet, for `make_customer`."""
    return f"{tenant_id}:{customer_id}"


def make_customer(name: str, actor: str, request_id: str) -> None:
    """Makes the row of the customer, if it has none. Raises ValueError for what is no tenant and customer."""
    tenant, _, customer_id = name.partition(":")
    tenant_id = UUID(tenant)
    if not customer_id or "\0" in customer_id or len(customer_id) > MAX_ID or not Tenant.objects.filter(pk=tenant_id).exists():
        raise ValueError(name)
    open_customer(tenant_id, customer_id, actor=actor, request_id=request_id)
