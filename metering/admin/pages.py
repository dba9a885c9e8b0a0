"""The read-only admin of the metering ledger."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.corrections.admin.correction_actions import CorrectionActions
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.figures import FigureFilter
from kernel.ledger.admin.formatting import Html, actor_names, coded, id_link, joined, json_block, label, money, row_link
from kernel.ledger.admin.settings import setting_action
from kernel.ledger.admin.sums import StoredSums
from metering.admin.cost_columns import COST_COLUMNS
from metering.admin.filters import EstimateFilter, StaleFilter
from metering.admin.forms import PolicyForm
from metering.admin.person_decisions import rounds_of
from metering.admin.stored_sums import stored_sums
from metering.models import Cost, Fact, Policy, Rollup, StatusChange, Transaction

# Rows shown in one panel.
MAX_ROWS = 50


def cost_timeline(transaction: Transaction) -> Panel:
    """Every cost of a transaction, from the first estimate to the actual cost."""
    rows = list(Cost.objects.filter(tenant_id=transaction.tenant_id, transaction_id=transaction.pk).order_by("created_at", "id")[:MAX_ROWS])
    names = actor_names(row.actor for row in rows)
    lines = [
        (
            local_time(row.created_at),
            row_link(row, "Estimate" if row.is_estimate else "Actual"),
            money(row.fiat_amount, row.fiat_asset_symbol),
            label("Active", "good") if row.is_active else label("Superseded"),
            id_link("metering.cost", row.supersedes_id, "the previous cost") if row.supersedes_id else NOTHING,
            names[row.actor],
            json_block(row.cost_details, "details"),
        )
        for row in rows
    ]
    headers = ("Booked", "Kind", "Cost", "Status", "Supersedes", "By", "Details")
    return Panel("Costs, from estimate to actual", headers, lines, empty="No cost is recorded yet.")


def status_history(transaction: Transaction) -> Panel:
    rows = list(
        StatusChange.objects.filter(tenant_id=transaction.tenant_id, transaction_id=transaction.pk).order_by("created_at", "id")[:MAX_ROWS]
    )
    names = actor_names(row.actor for row in rows)
    lines = [
        (
            local_time(row.created_at),
            row.get_from_status_display() or "New",
            row.get_to_status_display(),
            row.reason or NOTHING,
            names[row.actor],
        )
        for row in rows
    ]
    return Panel("Status changes", ("When", "From", "To", "Reason", "By"), lines)


def reported_facts(transaction: Transaction) -> Panel:
    rows = Fact.objects.filter(tenant_id=transaction.tenant_id, transaction_id=transaction.pk).order_by("created_at", "id")[:MAX_ROWS]
    lines = [
        (
            local_time(row.created_at),
            row_link(row, row.get_phase_display()),
            row.source,
            coded(row.pricing),
            row.pricing_note or NOTHING,
            json_block(row.facts, "facts"),
        )
        for row in rows
    ]
    return Panel("Reported facts", ("Booked", "Phase", "Source", "Pricing", "Missing", "Facts"), lines, empty="Nothing was reported.")


def same_trace(transaction: Transaction) -> list[Panel]:
    rows = Transaction.objects.filter(tenant_id=transaction.tenant_id, trace_id=transaction.trace_id).exclude(pk=transaction.pk)
    panel = calls_panel("In the same trace", rows)
    return [panel] if panel.rows else []


def calls_panel(title: str, rows: QuerySet[Transaction], **more: str) -> Panel:
    """The first calls of a trace, in the order in which they were booked."""
    lines = [
        (row_link(row), row.action_name, row.get_status_display(), local_time(row.created_at))
        for row in rows.select_related("service").order_by("created_at", "id")[:MAX_ROWS]
    ]
    return Panel(title, ("Call", "Action", "Status", "Booked"), lines, **more)


def cost_parts(costs: Iterable[Cost]) -> list[Html]:
    return [
        format_html("{} {}", money(cost.fiat_amount, cost.fiat_asset_symbol), "estimated" if cost.is_estimate else "") for cost in costs
    ]


@admin.register(Transaction)
class TransactionAdmin(CorrectionActions):
    list_display = ("created_at", "tenant", "service", "action_name", "resource_name", "agent", "costs", "status", "outcome", "occurred_at")
    list_select_related = ("tenant", "service", "agent")
    list_filter = (FigureFilter, "status", "outcome", StaleFilter)
    search_fields = ("id", "idempotency_key", "trace__reference", "trace__external_id", "agent__name", "customer_id")
    search_parts = ("customer_id", "action_name", "resource_name")
    sortable_in_a_tenant = ("occurred_at",)
    export_columns: ClassVar[Mapping[str, Any]] = COST_COLUMNS
    icon = "bolt"

    def read_related(self, rows: list[Any]) -> None:
        """What each call costs now, in one query for the page."""
        super().read_related(rows)
        found: dict[UUID, list[Any]] = {row.pk: [] for row in rows}
        tenants = {row.tenant_id for row in rows}
        for cost in Cost.objects.filter(tenant_id__in=tenants, transaction_id__in=found, is_active=True).order_by("created_at", "id"):
            found[cost.transaction_id].append(cost)
        for row in rows:
            row.costs_now = found[row.pk]

    @admin.display(description="cost")
    def costs(self, row: Transaction) -> Any:
        parts = cost_parts(row.costs_now)  # type: ignore[attr-defined] # of read_related
        return format_html('<div class="ch-right">{}</div>', joined(parts) if parts else NOTHING)

    def page_fields(self, row: Transaction) -> dict[str, Any]:
        """Its page begins with what it costs now."""
        parts = cost_parts(row.costs_now[:MAX_ROWS])  # type: ignore[attr-defined] # change_view reads what is related
        found = super().page_fields(row)
        found["fields"].insert(0, ("cost now", joined(parts) if parts else "none yet", False))
        return found

    def panels(self, request: HttpRequest, row: Transaction) -> list[Panel]:
        return [cost_timeline(row), status_history(row), reported_facts(row), *rounds_of(row), *same_trace(row)]


@admin.register(Cost)
class CostAdmin(CorrectionActions):
    list_display = ("created_at", "tenant", "transaction", "fiat_amount", "is_estimate", "is_active", "superseded_at")
    list_select_related = ("tenant", "transaction")
    # No choice of currencies: to list them, every cost would be read. The filter by currency takes one.
    list_filter = (FigureFilter, "is_active", "is_estimate")
    search_fields = ("id", "transaction", "repricing")
    links = {"payment_id": "paying.payment"}
    currency_path = "fiat_asset_symbol"
    icon = "payments"

    # Columns of the cost's call, by which finance groups costs.
    export_columns: ClassVar[Mapping[str, Any]] = {
        "customer_id": F("transaction__customer_id"),
        "agent_name": F("transaction__agent__name"),
        "service_name": F("transaction__service__name"),
        "action_name": F("transaction__action_name"),
        "resource_name": F("transaction__resource_name"),
    }

    def stored_sums(self, request: HttpRequest) -> StoredSums | None:
        return stored_sums(request)

    def panels(self, request: HttpRequest, row: Cost) -> list[Panel]:
        return [cost_timeline(row.transaction)]


@admin.register(Fact)
class FactAdmin(LedgerAdmin):
    """For facts without a price, `pricing_note` names the model or quantity that is missing."""

    list_display = ("created_at", "tenant", "transaction", "source", "version", "phase", "pricing", "pricing_note")
    list_select_related = ("tenant", "transaction")
    list_filter = ("pricing", "phase")
    search_fields = ("id", "transaction")
    codes = ("pricing",)
    icon = "fact_check"


@admin.register(StatusChange)
class StatusChangeAdmin(LedgerAdmin):
    list_display = ("created_at", "tenant", "transaction", "from_status", "to_status", "reason", "actor")
    list_select_related = ("tenant", "transaction")
    list_filter = ("to_status",)
    search_fields = ("id", "transaction")
    icon = "timeline"


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = (
        "tenant",
        "authorizes_at_once",
        "stale_after",
        "holds_estimates",
        "backdating_limit",
        "postdating_limit",
        "updated_at",
        "actor",
    )
    list_select_related = ("tenant",)
    search_fields = ("id",)
    icon = "rule"
    actions_list = ("set_policy",)
    actions_detail = ("change_policy",)
    set_policy = setting_action(PolicyForm, name="set-policy")
    change_policy = setting_action(PolicyForm, name="change-policy")


@admin.register(Rollup)
class RollupAdmin(LedgerAdmin):
    list_display = ("starts_at", "grain", "tenant", "service", "agent", "transactions", "succeeded", "failed", "amount", "estimated")
    list_select_related = ("tenant", "service", "agent")
    list_filter = ("grain", EstimateFilter)
    # Days and hours have the same costs.
    sum_of = ""
    ordering = ("-starts_at",)
    search_fields = ("id",)
    icon = "bar_chart"
