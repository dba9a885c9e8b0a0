"""The read-only admin of the credits ledger."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html

from credits.admin.filters import GrantStatusFilter
from credits.admin.forms import AlertForm, CancelRecurringGrantForm, ChangeAlertForm, PolicyForm, ReleaseForm
from credits.choices import GrantStatus, RecurringGrantStatus, TransactionKind, TransactionType, UnitType
from credits.models import BalanceAlert, Consumption, CreditTransaction, Grant, Hold, HoldCall, HoldEntry, HoldLine, Policy, RecurringGrant
from credits.selectors.balances import HELD_OF_GRANT
from credits.selectors.effects import EFFECT
from credits.selectors.grants import status_today
from kernel.base.empty_values import NOTHING
from kernel.base.error_messages import register_messages
from kernel.base.local_time import local_time
from kernel.corrections.admin.correction_actions import CorrectionActions, how_to_undo
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.figures import FigureFilter
from kernel.ledger.admin.formatting import actor_names, effect, id_link, json_block, money, row_link
from kernel.ledger.admin.holds import HoldAdmin
from kernel.ledger.admin.settings import setting_action
from kernel.ledger.holds import NOW, set_live_held
from kernel.ledger.money import MoneyField, in_words

# Entries shown on a grant's page; the list has all of them.
NEWEST = 50
# Entries of the same grant that are shown before an entry, and after it.
ENTRIES_AROUND = 5
# Characters of an invoice that stay in one line of a table.
MAX_UNBROKEN = 16

register_messages(
    {
        "grant_expired": "The grant expired on {expiry_date}.",
        "grant_held": "A hold reserves {held} of the grant. Release it first.",
        "grant_not_found": "There is no such grant in this tenant's ledger.",
        "grant_not_yet_effective": "The grant can't be used before {effective_date}.",
        "grant_voided": "The grant was voided before.",
        "insufficient_credit": "Only {available} of the grant is available, and {requested} would be taken.",
        "more_than_taken": "Invoice {invoice_id} took only {taken} from this grant.",
        "not_reversible": "An entry of this kind can't be reversed; it has an operation of its own.",
    }
)


def unit_of(grant: Grant | RecurringGrant) -> str:
    """The unit of a grant's amounts: its currency or its metric."""
    return grant.metric_id if grant.unit_type == UnitType.METRIC else grant.currency


def reasons(row: CreditTransaction) -> str:
    """A sentence about why the burn-down chose the grant of a debit, from the values that it recorded."""
    if not row.chosen_by:
        return "named by the caller"
    values = {"unit_type": "", "available": 0, **row.chosen_by}
    expiry = f"expires {values['expiry_date']}" if values.get("expiry_date") else "never expires"
    order = f"No. {values.get('rank')} in burn-down order: priority {values.get('priority')}, {values['unit_type'].lower()}, {expiry}"
    available = in_words(Decimal(str(values["available"])), unit_of(row.grant))
    return f"{order}, {values.get('category')}, in force from {values.get('effective_date')}; {available} were available"


def lines_of(title: str, rows: Any, *, note: str = "") -> Panel:
    """Transactions, each with the balance of its grant after it and the reason why that grant was chosen."""
    entries = list(rows.select_related("grant"))
    names = actor_names(row.actor for row in entries)
    headers = ("No.", "Grant", "Entry", "Change", "Balance after", "Invoice", "Why this grant", "Happened", "By")
    lines = [
        (
            row.entry_number,
            row_link(row.grant),
            row_link(row, row.get_kind_display()),
            effect(row.amount if row.type == TransactionType.CREDIT else -row.amount, unit_of(row.grant)),
            money(row.balance_after, unit_of(row.grant)),
            _in_one_line(row.invoice_id),
            _reason_or_link(row),
            local_time(row.occurred_at),
            names[row.actor],
        )
        for row in entries
    ]
    return Panel(title, headers, lines, note=note)


def _in_one_line(invoice_id: str | None) -> Any:
    """A browser would break a short one at its hyphens."""
    if not invoice_id or len(invoice_id) > MAX_UNBROKEN:
        return invoice_id or NOTHING
    return format_html('<span class="ch-id">{}</span>', invoice_id)


def _reason_or_link(row: CreditTransaction) -> Any:
    if row.reverses_id is not None:
        return id_link("credits.credittransaction", row.reverses_id, "reverses an entry")
    return reasons(row) if row.type == TransactionType.DEBIT else ""


class UnitAdmin(LedgerAdmin):
    """Base class of tables whose amounts are in the unit of their grant."""

    # A column of the list's file.
    export_columns: ClassVar[Mapping[str, Any]] = {
        "unit": models.Case(
            models.When(grant__unit_type=UnitType.METRIC, then=models.F("grant__metric_id")), default=models.F("grant__currency")
        )
    }

    def unit_columns(self) -> list[str]:
        return ["currency", "metric_id"] if self.model is Grant else ["grant__currency", "grant__metric_id"]

    def currency_of(self, row: Any) -> str:
        grant = row if isinstance(row, Grant) else row.grant
        return unit_of(grant)

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if isinstance(field, MoneyField) and field.name in {"cost_of_credit", "cost_basis"}:
            # What the customer paid for the units: always money, also for a grant of a metric.
            return lambda row: money(getattr(row, field.attname), (row if isinstance(row, Grant) else row.grant).currency)
        if field.name == "chosen_by":
            return lambda row: json_block(row.chosen_by, "burn-down values")
        return super().formatter_for(field)


@admin.register(Grant)
class GrantAdmin(CorrectionActions, UnitAdmin):
    # Its own columns say the unit.
    export_columns: ClassVar[Mapping[str, Any]] = {}
    list_display = ("name", "customer_id", "balance", "held", "original_amount", "expiry_date", "status", "tenant")
    list_filter = (FigureFilter, GrantStatusFilter, "unit_type", "category")
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id", "name")
    search_states: ClassVar[Mapping[str, models.Q]] = {
        "expired": models.Q(status=GrantStatus.EXPIRED),
        "voided": models.Q(status=GrantStatus.VOIDED),
    }
    sum_of = "balance"
    list_select_related = ("tenant",)
    icon = "redeem"

    def read_related(self, rows: list[Any]) -> None:
        set_live_held(rows, HELD_OF_GRANT)

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        return (lambda row: status_today(row).label) if field.name == "status" else super().formatter_for(field)

    def page_fields(self, row: Grant) -> dict[str, Any]:
        """Its page begins with what is left."""
        found = super().page_fields(row)
        left = self.label_of_column("balance")
        found["fields"].sort(key=lambda field: field[0] != left)
        return found

    def panels(self, request: HttpRequest, row: Grant) -> list[Panel]:
        entries = CreditTransaction.objects.filter(tenant_id=row.tenant_id, grant_id=row.id).order_by("-entry_number")
        reserved = HoldLine.objects.filter(tenant_id=row.tenant_id, grant_id=row.id, remaining__gt=0, expires_at__gt=NOW).select_related(
            "hold"
        )[:NEWEST]
        holds = [(row_link(line.hold), money(line.remaining, unit_of(row)), local_time(line.expires_at)) for line in reserved]
        return [
            lines_of(f"The newest {NEWEST} entries", entries[:NEWEST]),
            *([Panel("Reserved by holds", ("Hold", "Reserved", "Until"), holds)] if holds else []),
        ]


@admin.register(CreditTransaction)
class CreditTransactionAdmin(CorrectionActions, UnitAdmin):
    export_columns: ClassVar[Mapping[str, Any]] = {
        "effect": EFFECT,
        **UnitAdmin.export_columns,
    }
    # The sign of the amount says the type.
    list_display = (
        *("created_at", "customer_id", "grant", "kind", "amount", "balance_after", "invoice_id", "entry_number"),
        *("occurred_at", "actor"),
    )
    list_filter = (FigureFilter, "type", "kind")
    search_fields = ("id", "grant__id", "customer_id", "invoice_id", "billing_run_id")
    search_parts = ("invoice_id", "customer_id")
    search_states: ClassVar[Mapping[str, models.Q]] = {
        **dict.fromkeys(("expired", "expiry"), models.Q(kind=TransactionKind.EXPIRY)),
        **dict.fromkeys(("voided", "void"), models.Q(kind=TransactionKind.VOID)),
        **dict.fromkeys(("reversal", "reversed", "refunded"), models.Q(kind=TransactionKind.REVERSAL)),
    }
    sum_of = EFFECT
    list_select_related = ("grant",)
    icon = "swap_vert"

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if field.name == "amount":
            return lambda row: effect(row.amount if row.type == "CREDIT" else -row.amount, unit_of(row.grant))
        return super().formatter_for(field)

    def title_of(self, row: CreditTransaction) -> str:
        return f"{row.what} of {in_words(row.amount, unit_of(row.grant))} for {row.customer_id}"

    def lead(self, row: CreditTransaction) -> list[str]:
        if row.reverses_id is None or status_today(row.grant) != GrantStatus.OPEN:
            return []
        opposite = -row.amount if row.type == TransactionType.CREDIT else row.amount
        return [how_to_undo("credits.adjust", row.grant_id, amount=opposite, unit=unit_of(row.grant))]

    def panels(self, request: HttpRequest, row: CreditTransaction) -> list[Panel]:
        own = CreditTransaction.objects.filter(tenant_id=row.tenant_id)
        panels = []
        if row.type == TransactionType.DEBIT:
            panels.append(Panel("Why this grant was charged", (), (), note=f"{reasons(row)}."))
        if row.reverses_id is not None:
            panels.append(lines_of("Reverses", own.filter(id=row.reverses_id)))
        reversals = own.filter(reverses_id=row.id)
        if reversals.exists():
            panels.append(lines_of("Reversed by", reversals))
        if row.invoice_id:
            paid = own.filter(invoice_id=row.invoice_id, customer_id=row.customer_id).order_by("-id")[:NEWEST]
            panels.append(lines_of(f"Which grants paid for {row.invoice_id}", paid))
        first, last = row.entry_number - ENTRIES_AROUND, row.entry_number + ENTRIES_AROUND
        around = own.filter(grant_id=row.grant_id, entry_number__gte=first, entry_number__lte=last)
        return [*panels, lines_of("The grant around this entry", around.order_by("-entry_number"))]


@admin.register(Consumption)
class ConsumptionAdmin(LedgerAdmin):
    list_display = ("created_at", "customer_id", "amount", "taken", "invoice_id", "actor")
    list_filter = ("partial",)
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id",)
    sum_of = "taken"
    icon = "trending_down"

    def panels(self, request: HttpRequest, row: Consumption) -> list[Panel]:
        debits = CreditTransaction.objects.filter(tenant_id=row.tenant_id, consumption_id=row.id).order_by("id")
        return [lines_of("Grants charged", debits, note="In burn-down order.")]


@admin.register(Hold)
class CreditHoldAdmin(HoldAdmin):
    list_display = ("created_at", "customer_id", "amount", "captured", "status", "expires_at", "actor")
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id",)
    release = setting_action(ReleaseForm, name="release")

    def panels(self, request: HttpRequest, row: Hold) -> list[Panel]:
        of_hold: dict[str, Any] = {"tenant_id": row.tenant_id, "hold_id": row.id}
        unit = self.currency_of(row)
        parts = [
            (row_link(line.grant), money(line.amount, unit), money(line.remaining, unit))
            for line in HoldLine.objects.filter(**of_hold).select_related("grant").order_by("created_at", "id")[:NEWEST]
        ]
        calls = list(HoldCall.objects.filter(**of_hold).order_by("-created_at", "-id")[:NEWEST])
        names = actor_names(call.actor for call in calls)
        changes = [
            (
                call.get_kind_display(),
                money(call.amount, unit),
                local_time(call.expires_at),
                local_time(call.created_at),
                names[call.actor],
                call.reason,
            )
            for call in calls
        ]
        return [
            Panel("Reserved of", ("Grant", "Reserved", "Still reserved"), parts),
            *([Panel("What changed it", ("Change", "Amount", "Until", "Booked", "By", "Reason"), changes)] if changes else []),
        ]


@admin.register(HoldLine)
class HoldLineAdmin(UnitAdmin):
    list_display = ("hold", "grant", "amount", "remaining", "expires_at")
    search_fields = ("id", "hold__id", "grant__id")
    list_select_related = ("hold", "grant")
    icon = "splitscreen"


@admin.register(HoldEntry)
class HoldEntryAdmin(UnitAdmin):
    # Amounts of several kinds of changes.
    sum_of = ""
    list_display = ("created_at", "hold", "grant", "kind", "amount", "held_after", "actor")
    list_filter = ("kind",)
    search_fields = ("id", "hold__id", "grant__id")
    list_select_related = ("hold", "grant")
    icon = "history"


@admin.register(HoldCall)
class HoldCallAdmin(LedgerAdmin):
    list_display = ("created_at", "hold", "kind", "amount", "captured_after", "is_final", "expires_at", "idempotency_key", "actor")
    list_filter = ("kind",)
    search_fields = ("id", "hold__id", "idempotency_key")
    list_select_related = ("hold",)
    currency_path = "hold.currency"
    # Amounts of several kinds of calls.
    sum_of = ""
    icon = "history"

    def currency_of(self, row: Any) -> str:
        return row.hold.currency or row.hold.metric_id


@admin.register(RecurringGrant)
class RecurringGrantAdmin(LedgerAdmin):
    list_display = ("name", "customer_id", "amount", "every_months", "next_on", "rollover_cap", "status")
    list_filter = ("status", "unit_type")
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id", "name")
    icon = "event_repeat"
    actions_detail = ("cancel",)
    cancel = setting_action(CancelRecurringGrantForm, name="cancel")

    def currency_of(self, row: Any) -> str:
        return unit_of(row)

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if field.name == "cost_of_credit":
            # Always money, also for a grant of a metric.
            return lambda row: money(row.cost_of_credit, row.currency)
        return super().formatter_for(field)

    def panels(self, request: HttpRequest, row: RecurringGrant) -> list[Panel]:
        issued = Grant.objects.filter(tenant_id=row.tenant_id, recurring_grant_id=row.id).order_by("-period")[:NEWEST]
        lines = [
            (
                row_link(grant),
                money(grant.original_amount, unit_of(grant)),
                money(grant.balance, unit_of(grant)),
                grant.expiry_date or NOTHING,
            )
            for grant in issued
        ]
        return [Panel(f"The newest {NEWEST} grants", ("Grant", "Granted", "Balance", "Last day"), lines, empty="None is issued yet.")]

    def action_links(self, request: HttpRequest, row: RecurringGrant) -> list[dict[str, str]]:
        return super().action_links(request, row) if row.status == RecurringGrantStatus.ACTIVE else []


@admin.register(BalanceAlert)
class BalanceAlertAdmin(LedgerAdmin):
    list_display = ("customer_id", "tenant", "unit", "alert_below", "is_low", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    list_filter = ("is_low",)
    search_fields = ("customer_id",)
    icon = "notifications"
    actions_list = ("set_alert",)
    actions_detail = ("change_alert",)
    set_alert = setting_action(AlertForm, name="set-alert")
    change_alert = setting_action(ChangeAlertForm, name="change-alert")

    @admin.display(description="unit")
    def unit(self, row: BalanceAlert) -> str:
        # Of an alert that is switched off there is no amount that has it.
        return self.currency_of(row)


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = ("tenant", "expiring_days", "longest_hold_seconds", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    icon = "tune"
    actions_list = ("set_policy",)
    actions_detail = ("change_policy",)
    set_policy = setting_action(PolicyForm, name="set-policy")
    change_policy = setting_action(PolicyForm, name="change-policy")
