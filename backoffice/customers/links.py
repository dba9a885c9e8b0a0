"""What leads to a customer's page: its address, and a panel on the page of every row that names a customer."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from backoffice.customers.rows import row_of_customer
from kernel.ledger.admin.formatting import link
from kernel.ledger.admin.panels import Panel, register_panel
from kernel.tenants.staff_scope import VisibleTenants


def customer_url(tenant_id: UUID, customer_id: str) -> str:
    return f"{reverse('admin:backoffice_customer_page')}?{urlencode({'tenant': tenant_id, 'id': customer_id})}"


def customer_panel(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    if not row.customer_id or not user.has_perm("credits.view_grant"):
        return None
    known = row_of_customer(tenant_id=row.tenant_id, customer_id=row.customer_id)
    text = link(customer_url(row.tenant_id, row.customer_id), known or row.customer_id)
    return Panel("Customer", ("Customer", "ID"), [(text, row.customer_id)])


for _label in (
    "credits.grant",
    "credits.credittransaction",
    "credits.consumption",
    "credits.hold",
    "credits.recurringgrant",
    "metering.agent",
    "metering.transaction",
):
    register_panel(_label, customer_panel)
