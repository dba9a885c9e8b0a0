"""The rows that the back office itself has of customers: their names and properties. A customer may have grants and no row."""

from collections.abc import Iterable
from uuid import UUID

from backoffice.models import Customer


def rows_of_customers(*, tenant_id: UUID, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """By customer id; without those who have no row. One query."""
    rows = Customer.objects.filter(tenant_id=tenant_id, customer_id__in=customer_ids)
    return {row.customer_id: row for row in rows}


def row_of_customer(*, tenant_id: UUID, customer_id: str) -> Customer | None:
    return rows_of_customers(tenant_id=tenant_id, customer_ids=[customer_id]).get(customer_id)
