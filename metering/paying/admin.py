"""The pages of payments."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kernel.base.empty_values import NOTHING
from kernel.base.error_messages import register_messages
from kernel.base.local_time import local_time
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.fields import CurrencyField, PlainDecimalField
from kernel.ledger.admin.formatting import Html, actor_names, id_link, money, register_origin
from kernel.ledger.admin.settings import SettingForm, setting_action, switch_field, text_field
from kernel.ledger.money import in_words, trimmed_digits
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of
from metering.models import Cost
from metering.paying import selectors, services
from metering.paying.choices import OPEN_STATUSES, CallKind, LegKind
from metering.paying.models import Collection, Payee, PayerSetting, Payment, PaymentCall, PaymentLeg, PaymentToken
from metering.paying.payers import payer_names

# Holds and entries that a payment made name it in their reference.
register_origin("payment", "paying.payment", "Payment")
# Rows of one kind in a timeline.
MAX_ROWS = 50

register_messages(
    {
        "payment_closed": "The payment holds no money any more: it is {status}.",
        "payment_presented": "The payment was presented: whom it pays may still collect it.",
        "payer_unavailable": "The payer {payer} can't pay here: {reason}",
        "pay_to_taken": "Another tenant is paid under the name {pay_to}.",
    }
)


def names_field(label: str, *, help: str) -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})
    return forms.CharField(label=label, help_text=help, required=False, max_length=20_000, widget=widget)


class ReleaseForm(SettingForm):
    is_tried_first = True
    title = "Release the payment"
    description = "What it holds is free again. Its call stays open; what that costs in the end is debited when it is completed."
    icon = "lock_open"
    reason = text_field("Why", help="It is kept with the payment.", max_length=1000)

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        keys = {"tenant_id": self.row.tenant_id, "payment_id": self.row.pk}
        services.release_payment(**keys, actor=actor, request_id=request_id, reason=values["reason"])


class DueFilter(admin.SimpleListFilter):
    """Payments that somebody should look at. Partial indexes have the open ones, and those with something unpaid."""

    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unpaid", "Something is unpaid"), ("old", "Held for an hour or more"), ("unconfirmed", "Paid elsewhere, and unconfirmed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "unpaid":
            return queryset.filter(unpaid__gt=0)
        if self.value() == "unconfirmed":
            return queryset.filter(is_unconfirmed=True)
        if self.value() == "old":
            return queryset.filter(status__in=OPEN_STATUSES, created_at__lt=timezone.now() - timedelta(hours=1))
        return queryset


# The rows that a part of a payment names: its hold, or what was debited beyond the holds.
MONEY_ROWS = {
    LegKind.CREDITS: ("credits.hold", "credits.consumption"),
    LegKind.WALLET: ("billing.wallethold", "billing.transaction"),
}


def money_row(leg: PaymentLeg) -> Html:
    hold, entry = MONEY_ROWS[LegKind(leg.kind)]
    return id_link(hold, leg.hold_id, "Hold") if leg.hold_id else id_link(entry, leg.entry_id, "Debit")


def timeline(payment: Payment) -> Panel:
    """What happened to a payment, in all three ledgers, the oldest first: a fixed number of queries."""
    of_payment = {"tenant_id": payment.tenant_id, "payment_id": payment.pk}
    costs = Cost.objects.filter(tenant_id=payment.tenant_id, transaction_id=payment.transaction_id, fiat_asset_symbol=payment.currency)
    steps: list[tuple[datetime | None, str, str, Decimal | None, str]] = [
        (leg.created_at, leg.get_kind_display(), "Held" if leg.hold_id else "Debited beyond what was held", leg.amount or leg.captured, "")
        for leg in PaymentLeg.objects.filter(**of_payment)[:MAX_ROWS]
    ]
    for call in PaymentCall.objects.filter(**of_payment)[:MAX_ROWS]:
        until = f" until {local_time(call.expires_at)}" if call.kind == CallKind.EXTENDED else ""
        amount = call.amount if call.kind == CallKind.CAPTURED else None
        steps.append((call.created_at, "Payment", f"{call.get_kind_display()}{until}", amount, call.actor))
    for token in PaymentToken.objects.filter(**of_payment):
        steps.append((token.presented_at, "Payment", f"Presented to {token.pay_to}", None, ""))
        steps.append((token.settled_at, "Payment", f"Collected by {token.pay_to}", token.settled_amount, ""))
    for due in Collection.objects.filter(**of_payment):
        steps.append((due.posted_at, "Billing", f"Posted to the wallet of {due.pay_to}", due.amount, ""))
    for cost in costs.order_by("created_at", "id")[:MAX_ROWS]:
        steps.append((cost.created_at, "Metering", "Estimated cost" if cost.is_estimate else "Cost", cost.fiat_amount, cost.actor))
    steps.append((payment.closed_at, "Payment", f"Over: {payment.status}", payment.captured, ""))
    happened = sorted((step for step in steps if step[0] is not None), key=lambda step: step[0])  # type: ignore[arg-type, return-value]
    names = actor_names(step[4] for step in happened if step[4])
    lines = [
        (local_time(at), ledger, what, NOTHING if amount is None else money(amount, payment.currency), names.get(actor, NOTHING))
        for at, ledger, what, amount, actor in happened
    ]
    return Panel("Timeline", ("When", "Where", "What", "Amount", "By"), lines)


@admin.register(Payment)
class PaymentAdmin(LedgerAdmin):
    list_display = ("created_at", "transaction", "customer_id", "amount", "captured", "unpaid", "status", "hold_expires_at", "actor")
    list_select_related = ("transaction",)
    list_filter = ("status", DueFilter)
    search_fields = ("id", "customer_id", "transaction")
    search_parts = ("customer_id",)
    icon = "payments"
    actions_detail = ("release_payment",)
    release_payment = setting_action(ReleaseForm, name="release-payment", right="decide")

    def action_links(self, request: HttpRequest, row: Payment) -> list[dict[str, str]]:
        """Nothing is left to release of a payment that is over."""
        return super().action_links(request, row) if row.status in OPEN_STATUSES else []

    def panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        legs = PaymentLeg.objects.filter(tenant_id=row.tenant_id, payment_id=row.id).order_by("ordinal")
        lines = [
            (leg.get_kind_display(), money_row(leg), money(leg.amount, row.currency), money(leg.captured, row.currency)) for leg in legs
        ]
        return [Panel("Parts", ("Money", "Hold or entry", "Held", "Captured"), lines), timeline(row)]


@admin.register(PaymentLeg)
class PaymentLegAdmin(LedgerAdmin):
    list_display = ("created_at", "payment", "ordinal", "kind", "amount", "captured")
    list_select_related = ("payment",)
    search_fields = ("id", "payment")
    currency_path = "payment.currency"
    in_sidebar = False
    icon = "splitscreen"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if field.name in {"hold_id", "entry_id"}:
            return lambda row: money_row(row) if getattr(row, field.attname) else NOTHING
        return super().formatter_for(field)


@admin.register(PaymentCall)
class PaymentCallAdmin(LedgerAdmin):
    list_display = ("id", "payment", "kind", "amount", "captured_after", "expires_at", "is_final", "created_at", "actor")
    list_select_related = ("payment",)
    exclude = ("facts_digest",)
    search_fields = ("id", "payment", "idempotency_key")
    # Amounts of several kinds of calls.
    sum_of = ""
    currency_path = "payment.currency"
    in_sidebar = False
    icon = "price_check"


@admin.register(PaymentToken)
class PaymentTokenAdmin(LedgerAdmin):
    list_display = ("id", "payment", "network", "scheme", "pay_to", "expires_at", "presented_at", "settled_amount", "settled_at")
    list_select_related = ("payment",)
    # What a token is made of.
    exclude = ("nonce_digest",)
    search_fields = ("id", "payment", "pay_to")
    currency_path = "payment.currency"
    in_sidebar = False
    icon = "token"


@admin.register(Collection)
class CollectionAdmin(LedgerAdmin):
    list_display = ("created_at", "amount", "pay_to", "paid_tenant", "tenant", "posted_at")
    fields = ("amount", "pay_to", "paid_tenant", "tenant", "created_at", "posted_at", "payment", "id")
    field_labels = {"created_at": "collected", "tenant": "paid by"}
    list_select_related = ("tenant",)
    search_fields = ("id", "payment", "pay_to")
    icon = "move_to_inbox"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the name of the tenant that is paid, where the reader may see that tenant."""
        payee = scope_of(request.user).limit(Tenant.objects.filter(pk=OuterRef("payee_tenant_id")))
        return super().get_queryset(request).annotate(payee_name=Subquery(payee.values("name")[:1]))

    @admin.display(description="paid tenant")
    def paid_tenant(self, row: Any) -> Any:
        return id_link("tenants.tenant", row.payee_tenant_id, row.payee_name) if row.payee_name else "another tenant"

    def lead(self, row: Any) -> list[str]:
        posted = "It is posted to the wallet of whom it pays." if row.posted_at else "It is not posted to the wallet of whom it pays yet."
        return [f"{row.tenant} pays {in_words(row.amount, row.currency)} to {row.pay_to}. {posted}"]


class PayerForm(SettingForm):
    is_tried_first = True
    title = "Set the payer"
    description = "Which challenges of resources that answer 402 are paid for the tenant. What is placed already stays as it is."
    icon = "tune"
    payer = forms.ChoiceField(label="Payer", widget=UnfoldAdminSelectWidget())
    is_enabled = switch_field("Pays", help="Off: its options can't be paid.")
    max_amount = PlainDecimalField(
        label="The most for one payment",
        required=False,
        min_value=Decimal("1e-18"),
        max_digits=36,
        decimal_places=18,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Empty: none.",
    )
    max_currency = CurrencyField(label="Currency of the most", required=False, help_text="Payments in another currency are refused then.")
    networks = names_field("Networks", help="One on each line. Empty: all that the payer knows.")
    pay_to = names_field("May be paid", help="One on each line. Empty: everybody.")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        choices = [(name, name) for name in payer_names()]
        self.fields["payer"].choices = choices if self.row is None else [(self.row.payer, self.row.payer)]  # type: ignore[attr-defined]

    def current(self) -> dict[str, Any]:
        setting = self.row
        if setting is None:
            return {}
        most = None if setting.max_amount is None else Decimal(trimmed_digits(setting.max_amount))
        listed = {name: "\n".join(getattr(setting, name)) for name in ("networks", "pay_to")}
        return {"payer": setting.payer, "is_enabled": setting.is_enabled, "max_amount": most, "max_currency": setting.max_currency} | listed

    def cautions(self) -> list[str]:
        if self.row is None and selectors.get_payer_setting(tenant_id=self.tenant.pk, payer=self.cleaned_data["payer"]):
            return ["This replaces what is set for this payer of the tenant."]
        return []

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        listed: dict[str, Any] = {
            name: [line.strip() for line in values.pop(name).splitlines() if line.strip()] for name in ("networks", "pay_to")
        }
        services.set_payer(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **values, **listed)


@admin.register(PayerSetting)
class PayerSettingAdmin(LedgerAdmin):
    list_display = ("payer", "tenant", "is_enabled", "max_amount", "networks", "pay_to", "updated_at", "actor")
    list_select_related = ("tenant",)
    search_fields = ("id", "payer")
    currency_path = "max_currency"
    field_labels = {"pay_to": "may be paid"}
    icon = "tune"
    actions_list = ("set_payer",)
    actions_detail = ("change_payer",)
    set_payer = setting_action(PayerForm, name="set-payer")
    change_payer = setting_action(PayerForm, name="change-payer")


@admin.register(Payee)
class PayeeAdmin(LedgerAdmin):
    list_display = ("pay_to", "tenant", "created_at", "actor")
    list_select_related = ("tenant",)
    search_fields = ("id", "pay_to")
    search_parts = ("pay_to",)
    icon = "storefront"
