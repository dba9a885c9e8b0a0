"""Panels that link the ledgers: rows with the same invoice, reference or agent in another ledger of the tenant."""

from typing import Any

from billing.models import Transaction as BillingTransaction
from billing.selectors import set_type_labels
from credits.choices import TransactionType
from credits.models import CreditTransaction
from kernel.base.local_time import local_time
from kernel.events.admin.panels import sent_about, sent_panel
from kernel.ledger.admin.formatting import effect, row_link
from kernel.ledger.admin.panels import Panel, register_panel
from kernel.tenants.staff_scope import VisibleTenants
from metering.models import Agent
from metering.models import Transaction as MeteredTransaction

MAX_ROWS = 20


def credit_for_reference(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The grants that were charged for the invoice of a billing entry."""
    if not user.has_perm("credits.view_credittransaction"):
        return None
    found = CreditTransaction.objects.filter(tenant_id=row.tenant_id, invoice_id=row.reference_id).select_related("grant")[:MAX_ROWS]
    rows = [
        (row_link(each.grant), row_link(each, each.get_kind_display()), effect(_signed(each), each.grant.metric_id or each.grant.currency))
        for each in found
    ]
    return Panel("Credit for the same invoice", ("Grant", "Entry", "Change"), rows) if rows else None


def billing_for_invoice(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The billing entries of the invoice that a credit transaction paid for."""
    if not row.invoice_id or not user.has_perm("billing.view_transaction"):
        return None
    found = list(BillingTransaction.objects.filter(tenant_id=row.tenant_id, reference_id=row.invoice_id)[:MAX_ROWS])
    set_type_labels(found)
    rows = [(row_link(each), effect(each.effect, each.currency), local_time(each.occurred_at)) for each in found]
    return Panel("Billed under the same reference", ("Entry", "Change", "Happened"), rows) if rows else None


def metered_agent(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The newest metered transactions of the agent of a billing entry."""
    if not row.agent_id or not user.has_perm("metering.view_transaction"):
        return None
    agent = Agent.objects.filter(tenant_id=row.tenant_id, name=row.agent_id).first()
    if agent is None:
        return None
    found = MeteredTransaction.objects.filter(tenant_id=row.tenant_id, agent_id=agent.pk).select_related("service").order_by("-created_at")
    rows = [(row_link(agent), row_link(each, _title(each)), each.get_status_display(), local_time(each.created_at)) for each in found[:5]]
    return Panel("Metered of the same agent, newest first", ("Agent", "Call", "Status", "Booked"), rows)


def billed_agent(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The newest billing entries for the agent of a metered transaction."""
    if row.agent_id is None or not user.has_perm("billing.view_transaction"):
        return None
    found = list(BillingTransaction.objects.filter(tenant_id=row.tenant_id, agent_id=row.agent.name).order_by("-created_at", "-id")[:5])
    set_type_labels(found)
    rows = [(row_link(each), effect(each.effect, each.currency), local_time(each.occurred_at)) for each in found]
    return Panel("Billed for the same agent, newest first", ("Entry", "Change", "Happened"), rows) if rows else None


def billed_to_agent(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The newest billing entries that name an agent, on the agent's own page."""
    if not user.has_perm("billing.view_transaction"):
        return None
    found = list(BillingTransaction.objects.filter(tenant_id=row.tenant_id, agent_id=row.name).order_by("-created_at", "-id")[:MAX_ROWS])
    set_type_labels(found)
    rows = [(row_link(each), effect(each.effect, each.currency), local_time(each.occurred_at)) for each in found]
    return Panel("Billed for the agent, newest first", ("Entry", "Change", "Happened"), rows) if rows else None


def sent_about_wallet(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """Events name a wallet by its currency, as its own GET does."""
    return sent_panel(user, tenant_id=row.tenant_id, object_id=row.currency)


def sent_about_metered(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """Events about a metered transaction and its costs."""
    return sent_panel(user, tenant_id=row.tenant_id, account=f"transaction:{row.pk}")


def _title(row: MeteredTransaction) -> str:
    return f"{row.service} {row.action_name}"


def _signed(row: CreditTransaction) -> Any:
    return row.amount if row.type == TransactionType.CREDIT else -row.amount


register_panel("billing.transaction", credit_for_reference)
register_panel("billing.transaction", metered_agent)
register_panel("credits.credittransaction", billing_for_invoice)
register_panel("credits.consumption", billing_for_invoice)
register_panel("metering.transaction", billed_agent)
register_panel("metering.agent", billed_to_agent)
register_panel("billing.wallet", sent_about_wallet)
register_panel("metering.transaction", sent_about_metered)
for _label in (
    "billing.transaction",
    "metering.transaction",
    "metering.cost",
    "credits.grant",
    "credits.credittransaction",
    "credits.hold",
):
    register_panel(_label, sent_about)
