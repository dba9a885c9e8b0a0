"""The read-only admin of the credits ledger."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from credits import services
from credits.choices import GrantStatus, ScheduleStatus, TransactionType, UnitType
from credits.models import BalanceAlert, Consumption, CreditTransaction, Grant, Hold, HoldCall, HoldEntry, HoldLine, Policy, RecurringGrant
from credits.selectors.balances import read_live_holds
from credits.selectors.clock import NOW, TODAY
from credits.selectors.effects import EFFECT
from credits.selectors.grants import status_today
from credits.services.settings import MAX_EXPIRING_DAYS
from kernel.corrections.admin.offers import CorrectionOffers
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.fields import AmountOrZeroField
from kernel.ledger.admin.figures import FigureFilter
from kernel.ledger.admin.filters import HoldStatusFilter, OpenHoldFilter
from kernel.ledger.admin.formatting import actor_names, effect, id_link, json_block, money, row_link
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.ledger.holds import LONGEST_HOLD_LIMIT_SECONDS, HoldStatus, status_now
from kernel.ledger.money import MoneyField, in_words, trimmed_digits
from kernel.tenants.admin import local_time
from kernel.tenants.messages import register_messages

# Entries shown on a grant's page; the list has all of them.
NEWEST = 50
# Entries of the same grant that are shown before an entry, and after it.
ENTRIES_AROUND = 5

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


class AlertForm(SettingForm):
    title = "Set an alert"
    description = (
        "The balance below which a customer is low; going below it is an event credits.balance.low, coming back credits.balance.recovered."
    )
    icon = "notification_add"
    customer_id = text_field("Customer", max_length=255)
    currency = text_field("Currency", required=False, max_length=3, help="ISO 4217; or a metric, not both.")
    metric_id = text_field("Metric", required=False, max_length=255)
    alert_below = AmountOrZeroField(label="Alert below", required=False, help_text="Empty: no alert.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        amount = Decimal(values["alert_below"]) if values["alert_below"] else None
        unit = {name: values[name] or None for name in ("currency", "metric_id")}
        customer = {"customer_id": values["customer_id"], **unit}
        services.set_balance_alert(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, alert_below=amount, **customer)


class ChangeAlertForm(AlertForm):
    title = "Change the alert"
    icon = "edit"
    customer_id = currency = metric_id = None  # type: ignore[assignment] # Django removes a field that a subclass sets to None

    def current(self) -> dict[str, Any]:
        return {"alert_below": "" if self.row.alert_below is None else trimmed_digits(self.row.alert_below)}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        unit = {name: getattr(self.row, name) for name in ("customer_id", "currency", "metric_id")}
        super().apply(actor=actor, request_id=request_id, **unit, **values)


class PolicyForm(SettingForm):
    title = "Set the policy"
    description = "How early a grant that expires with a balance is announced, by an event credits.grant.expiring; how long holds last."
    icon = "tune"
    expiring_days = forms.IntegerField(
        label="Announce so many days before", min_value=0, max_value=MAX_EXPIRING_DAYS, widget=UnfoldAdminTextInputWidget()
    )
    longest_hold_seconds = forms.IntegerField(
        label="Longest hold (seconds)",
        required=False,
        min_value=1,
        max_value=LONGEST_HOLD_LIMIT_SECONDS,
        widget=UnfoldAdminTextInputWidget(),
        help_text="How long a hold may last, with its extensions. Empty: as long as its caller says.",
    )

    def current(self) -> dict[str, Any]:
        policy = Policy.objects.filter(tenant=self.tenant).first() or Policy(tenant=self.tenant)
        return {"expiring_days": policy.expiring_days, "longest_hold_seconds": policy.longest_hold_seconds}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.set_policy(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values)


class ReleaseForm(SettingForm):
    title = "Release the hold"
    description = "Frees what the hold still reserves. What it captured stays. Who placed it can't capture it any more."
    icon = "lock_open"
    is_destructive = True
    reason = text_field("Reason", max_length=1000, help="It is kept with the hold.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        keys = {"tenant_id": self.row.tenant_id, "customer_id": self.row.customer_id, "hold_id": self.row.pk}
        services.release_hold(**keys, actor=actor, request_id=request_id, **values)


class CancelScheduleForm(SettingForm):
    title = "Cancel the recurring grant"
    description = "No further grant is issued. Those that were issued stay. It can't be taken up again: make a new one instead."
    icon = "event_busy"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.cancel_recurring_grant(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, schedule_id=self.row.pk)


def unit_of(grant: Grant | RecurringGrant) -> str:
    """The unit of a grant's amounts: its currency or its metric."""
    return grant.metric_id if grant.unit_type == UnitType.METRIC else grant.currency


def reasons(chosen_by: dict[str, Any] | None) -> Any:
    """A sentence about why the burn-down chose a grant, from the values that it recorded."""
    if not chosen_by:
        return "named by the caller"
    values = {"unit_type": "", **chosen_by}
    expiry = f"expires {values['expiry_date']}" if values.get("expiry_date") else "never expires"
    order = f"No. {values.get('rank')} in burn-down order: priority {values.get('priority')}, {values['unit_type'].lower()}, {expiry}"
    return f"{order}, {values.get('category')}, in force from {values.get('effective_date')}; {values.get('available')} were available"


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
            row.invoice_id or "-",
            _why(row),
            local_time(row.occurred_at),
            names[row.actor],
        )
        for row in entries
    ]
    return Panel(title, headers, lines, note=note)


def _why(row: CreditTransaction) -> Any:
    if row.reverses_id is not None:
        return id_link("credits.credittransaction", row.reverses_id, "reverses an entry")
    return reasons(row.chosen_by) if row.type == TransactionType.DEBIT else ""


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


class GrantStatusFilter(admin.SimpleListFilter):
    """The status of grants today: an open one past its last day is expired."""

    title = "status"
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, str(status.label)) for status in GrantStatus]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        value, is_over = self.value(), models.Q(status=GrantStatus.OPEN, expiry_date__lt=TODAY)
        if value == GrantStatus.OPEN:
            return queryset.filter(status=value).exclude(is_over)
        if value == GrantStatus.EXPIRED:
            return queryset.filter(models.Q(status=value) | is_over)
        return queryset.filter(status=value) if value in GrantStatus.values else queryset


@admin.register(Grant)
class GrantAdmin(CorrectionOffers, UnitAdmin):
    # Its own columns say the unit.
    export_columns: ClassVar[Mapping[str, Any]] = {}
    list_display = ("id", "customer_id", "name", "unit_type", "metric_id", "balance", "held", "original_amount", "expiry_date", "status")
    list_filter = (FigureFilter, GrantStatusFilter, "unit_type", "category")
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id", "name")
    sum_of = "balance"
    list_select_related = ("tenant",)
    icon = "redeem"

    def read_related(self, rows: list[Any]) -> None:
        read_live_holds(rows)

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        return (lambda row: status_today(row).label) if field.name == "status" else super().formatter_for(field)

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
class CreditTransactionAdmin(CorrectionOffers, UnitAdmin):
    export_columns: ClassVar[Mapping[str, Any]] = {
        "effect": EFFECT,
        **UnitAdmin.export_columns,
    }
    list_display = (
        *("id", "occurred_at", "customer_id", "grant", "type", "kind", "amount", "invoice_id", "balance_after", "entry_number"),
        *("created_at", "actor"),
    )
    list_filter = (FigureFilter, "type", "kind")
    search_fields = ("id", "grant__id", "customer_id", "invoice_id", "billing_run_id")
    search_parts = ("invoice_id", "customer_id")
    sum_of = EFFECT
    list_select_related = ("grant",)
    icon = "swap_vert"

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if field.name == "amount":
            return lambda row: effect(row.amount if row.type == "CREDIT" else -row.amount, unit_of(row.grant))
        return super().formatter_for(field)

    def title_of(self, row: CreditTransaction) -> str:
        return f"{row.get_type_display()} of {in_words(row.amount, unit_of(row.grant))} for {row.customer_id}"

    def panels(self, request: HttpRequest, row: CreditTransaction) -> list[Panel]:
        own = CreditTransaction.objects.filter(tenant_id=row.tenant_id)
        panels = []
        if row.type == TransactionType.DEBIT:
            panels.append(Panel("Why this grant was charged", (), (), note=f"{reasons(row.chosen_by)}."))
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
    list_display = ("id", "customer_id", "amount", "taken", "currency", "metric_id", "invoice_id", "created_at", "actor")
    list_filter = ("partial",)
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id",)
    sum_of = "taken"
    icon = "trending_down"

    def panels(self, request: HttpRequest, row: Consumption) -> list[Panel]:
        debits = CreditTransaction.objects.filter(tenant_id=row.tenant_id, consumption_id=row.id).order_by("id")
        return [lines_of("Grants charged", debits, note="In burn-down order.")]


@admin.register(Hold)
class HoldAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "amount", "captured", "currency", "metric_id", "status", "expires_at", "created_at", "actor")
    list_filter = (FigureFilter, OpenHoldFilter, HoldStatusFilter)
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id",)
    icon = "lock_clock"
    actions_detail = ("release",)
    release = setting_action(ReleaseForm, name="release")

    def action_links(self, request: HttpRequest, row: Hold) -> list[dict[str, str]]:
        return super().action_links(request, row) if status_now(row) == HoldStatus.ACTIVE else []

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        return (lambda row: status_now(row).label) if field.name == "status" else super().formatter_for(field)

    def panels(self, request: HttpRequest, row: Hold) -> list[Panel]:
        its: dict[str, Any] = {"tenant_id": row.tenant_id, "hold_id": row.id}
        unit = self.currency_of(row)
        parts = [
            (row_link(line.grant), money(line.amount, unit), money(line.remaining, unit))
            for line in HoldLine.objects.filter(**its).select_related("grant").order_by("created_at", "id")[:NEWEST]
        ]
        calls = list(HoldCall.objects.filter(**its).order_by("-created_at", "-id")[:NEWEST])
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
    list_display = ("id", "hold", "grant", "amount", "remaining", "expires_at")
    search_fields = ("id", "hold__id", "grant__id")
    list_select_related = ("hold", "grant")
    icon = "splitscreen"


@admin.register(HoldEntry)
class HoldEntryAdmin(UnitAdmin):
    list_display = ("id", "hold", "grant", "kind", "amount", "held_after", "created_at", "actor")
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
    list_display = ("id", "customer_id", "name", "amount", "currency", "metric_id", "every_months", "next_on", "rollover_cap", "status")
    list_filter = ("status", "unit_type")
    search_fields = ("id", "customer_id")
    search_parts = ("customer_id", "name")
    icon = "event_repeat"
    actions_detail = ("cancel",)
    cancel = setting_action(CancelScheduleForm, name="cancel")

    def currency_of(self, row: Any) -> str:
        return unit_of(row)

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if field.name == "cost_of_credit":
            # Always money, also for a grant of a metric.
            return lambda row: money(row.cost_of_credit, row.currency)
        return super().formatter_for(field)

    def panels(self, request: HttpRequest, row: RecurringGrant) -> list[Panel]:
        issued = Grant.objects.filter(tenant_id=row.tenant_id, schedule_id=row.id).order_by("-period")[:NEWEST]
        lines = [
            (row_link(grant), money(grant.original_amount, unit_of(grant)), money(grant.balance, unit_of(grant)), grant.expiry_date or "-")
            for grant in issued
        ]
        return [Panel(f"The newest {NEWEST} grants", ("Grant", "Granted", "Balance", "Last day"), lines, empty="None is issued yet.")]

    def action_links(self, request: HttpRequest, row: RecurringGrant) -> list[dict[str, str]]:
        return super().action_links(request, row) if row.status == ScheduleStatus.ACTIVE else []


@admin.register(BalanceAlert)
class BalanceAlertAdmin(LedgerAdmin):
    list_display = ("customer_id", "tenant", "currency", "metric_id", "alert_below", "is_low", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    list_filter = ("is_low",)
    search_fields = ("customer_id",)
    icon = "notifications"
    actions_list = ("set_alert",)
    actions_detail = ("change_alert",)
    set_alert = setting_action(AlertForm, name="set-alert")
    change_alert = setting_action(ChangeAlertForm, name="change-alert")


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = ("tenant", "expiring_days", "longest_hold_seconds", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    icon = "tune"
    actions_list = ("set_policy",)
    actions_detail = ("change_policy",)
    set_policy = setting_action(PolicyForm, name="set-policy")
    change_policy = setting_action(PolicyForm, name="change-policy")
