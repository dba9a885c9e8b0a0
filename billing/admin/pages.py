"""The read-only admin of the billing ledger."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Field, Q, Sum
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from billing import selectors
from billing.admin.filters import FlagFilter, ReversalFilter
from billing.admin.forms import AlertForm, ChangeTypeForm, FloorForm, PolicyForm, ReleaseForm, TypeForm
from billing.admin.statements import statement_page
from billing.admin.stored_sums import stored_sums
from billing.admin.wallet_opening import WalletOpening
from billing.models import DailyTotal, Policy, Transaction, TransactionType, Wallet, WalletHold, WalletHoldEntry, type_label
from billing.selectors.holds import HELD_NOW
from kernel.base.error_messages import register_messages
from kernel.base.local_time import local_time
from kernel.corrections.admin.correction_actions import CorrectionActions, how_to_undo
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.figures import FigureFilter, figure_url
from kernel.ledger.admin.formatting import action_link, actor_names, effect, id_link, label, link, money, page_of, row_link
from kernel.ledger.admin.holds import HoldAdmin
from kernel.ledger.admin.settings import setting_action
from kernel.ledger.admin.sums import StoredSums
from kernel.ledger.holds import OPEN, set_live_held
from kernel.ledger.money import in_words

# Entries of the wallet shown before and after the page's entry, and entries shown on the wallet's page.
AROUND, NEWEST = 5, 50

register_messages(
    {
        "already_reversed": "It was reversed before, by {reversed_by}.",
        "amount_missing": "Enter the amount.",
        "direction_in_use": "Entries of this type exist, so its direction stays {direction}.",
        "below_floor": "The balance less what is held would be below the wallet's floor. Nothing was posted.",
        "exceeds_original": "{requested} is more than the {remaining} that is left of it.",
        "floor_above_balance": "The new floor of {floor} is above the balance less what is held: {balance} less {held}.",
        "hold_closed": "The hold is {status} already.",
        "hold_conflict": "It was released before, with another reason.",
        "insufficient": "{requested} is more than may be taken: the balance is {balance}, {held} of it is held, and the floor is {floor}.",
    }
)


def _entries(title: str, rows: Any, *, here: Transaction | None = None) -> Panel:
    """Entries of a wallet, each with the balance after it."""
    headers = ("No.", "Entry", "Change", "Balance after", "Happened", "By", "Note")
    entries = list(rows)
    selectors.set_type_labels(entries)
    names = actor_names(row.actor for row in entries)
    lines = [
        (
            row.entry_number,
            label(str(row), "wait") if here is not None and row.pk == here.pk else row_link(row),
            effect(row.effect, row.currency),
            money(row.balance_after, row.currency),
            local_time(row.occurred_at),
            names[row.actor],
            _note(row),
        )
        for row in entries
    ]
    return Panel(title, headers, lines)


def _note(row: Transaction) -> Any:
    if row.reverses_id is not None:
        return id_link("billing.transaction", row.reverses_id, "reverses an entry")
    if row.reversed_by_id is not None:
        return id_link("billing.transaction", row.reversed_by_id, "was reversed")
    return "reversed in part" if row.reversed_amount else ""


def _reversals(row: Transaction) -> list[Panel]:
    """The entry that this one reverses, or those that reverse this one."""
    if row.reverses_id is not None:
        return [_entries("Reverses", Transaction.objects.filter(tenant_id=row.tenant_id, id=row.reverses_id))]
    if not row.reversed_amount:
        return []
    return [_entries("Reversed by", Transaction.objects.filter(tenant_id=row.tenant_id, reverses_id=row.id).order_by("-entry_number"))]


class WithTypes(LedgerAdmin):
    """Base class of lists with a type: it is shown by its label, which the tenant may have chosen."""

    def read_related(self, rows: list[Any]) -> None:
        selectors.set_type_labels(rows)

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        if field.name == "type":
            return lambda row: format_html('<span title="{}">{}</span>', row.type, type_in_list(row))
        return super().formatter_for(field)

    def set_words(self, rows: list[dict[str, Any]]) -> None:
        super().set_words(rows)
        named: list[Any] = [self.model(tenant_id=row["tenant_id"], type=row["type"]) for row in rows]
        selectors.set_type_labels(named)
        for row, each in zip(rows, named, strict=True):
            row["type"] = type_label(each)


def type_in_list(row: Transaction | DailyTotal) -> str:
    """The type; of a reversal, which has the type of what it reverses and the opposite effect, that it is one."""
    return f"{type_label(row)} reversal" if getattr(row, "reverses_id", None) else type_label(row)


@admin.register(Transaction)
class TransactionAdmin(WithTypes, CorrectionActions):
    json_fields = ("metadata",)
    list_display = (
        "created_at",
        "tenant",
        "type",
        "reference_id",
        "description",
        "agent_id",
        "effect",
        "balance_after",
        "flags",
        "occurred_at",
    )
    list_select_related = ("tenant",)
    # The back office puts a filter of its own in the place of FlagFilter (backoffice/admin/near_duplicates.py).
    list_filter: tuple[Any, ...] = (FlagFilter, "direction", ReversalFilter, FigureFilter)
    search_fields, search_parts = ("id", "reference_id", "agent_id"), ("reference_id", "description", "metadata")
    search_states: ClassVar[Mapping[str, Q]] = dict.fromkeys(
        ("reversal", "reversed", "refunded"), Q(reverses__isnull=False) | Q(reversed_amount__gt=0)
    )
    sum_of, has_signed_amounts, has_amount_index = "effect", True, True
    sortable_in_a_tenant = ("occurred_at", "amount")
    icon = "receipt_long"

    def stored_sums(self, request: HttpRequest) -> StoredSums | None:
        return stored_sums(request)

    def title_of(self, row: Transaction) -> str:
        # A reversal has the direction of what it reverses, and changes the balance the other way.
        what = "Reversal" if row.reverses_id else row.get_direction_display()
        return f"{what} of {in_words(row.amount, row.currency)}: {row}"

    def lead(self, row: Transaction) -> list[str]:
        if row.reverses_id is None:
            return []
        return [how_to_undo("billing.adjust_beside", row.pk, amount=-row.effect, unit=row.currency)]

    def panels(self, request: HttpRequest, row: Transaction) -> list[Panel]:
        wallet = Transaction.objects.filter(tenant_id=row.tenant_id, wallet_id=row.wallet_id)
        around = wallet.filter(entry_number__gte=row.entry_number - AROUND, entry_number__lte=row.entry_number + AROUND)
        return [
            *_reversals(row),
            _entries("The wallet around this entry", around.order_by("-entry_number"), here=row),
        ]


@admin.register(Wallet)
class WalletAdmin(WalletOpening, CorrectionActions):
    list_display = ("tenant", "balance", "held", "floor", "last_entry_number", "last_entry_at", "created_at")
    field_labels = {"created_at": "opened"}
    sum_of = "balance"
    list_select_related = ("tenant",)
    icon = "account_balance_wallet"
    actions_detail = ("set_floor", "set_alert")
    set_floor = setting_action(FloorForm, name="set-floor")
    set_alert = setting_action(AlertForm, name="set-alert")

    def title_of(self, row: Wallet) -> str:
        return f"{row} of {row.tenant}"

    def read_related(self, rows: list[Any]) -> None:
        set_live_held(rows, HELD_NOW)

    def _field_value(self, row: Wallet, name: str) -> tuple[str, Any, bool]:
        """The balance and what is held lead to the entries and the holds that they add up."""
        title, value, wide = super()._field_value(row, name)
        keys: dict[str, Any] = {"tenant_id": row.tenant_id, "wallet_id": row.pk}
        if name == "balance":
            value = link(figure_url("billing.transaction", "wallet", **keys), value)
        elif name == "held":
            held = WalletHold.objects.filter(OPEN, **keys).aggregate(held=Sum(F("amount") - F("captured")))["held"]
            value = link(figure_url("billing.wallethold", "held", **keys), money(held or Decimal(0), row.currency))
        return title, value, wide

    def panels(self, request: HttpRequest, row: Wallet) -> list[Panel]:
        entries = Transaction.objects.filter(tenant_id=row.tenant_id, wallet_id=row.id).order_by("-entry_number")
        return [*_open_holds(request, row), _entries(f"The newest {NEWEST} entries", entries[:NEWEST])]

    def action_links(self, request: HttpRequest, row: Wallet) -> list[dict[str, str]]:
        url = reverse("admin:billing_wallet_statement", args=(row.pk,))
        return [*super().action_links(request, row), {"title": "Statement", "icon": "print", "url": url}]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.statement)
        return [path("<uuid:wallet_id>/statement/", page, name="billing_wallet_statement"), *super().get_urls()]

    def statement(self, request: HttpRequest, wallet_id: UUID) -> HttpResponseBase:
        """The wallet's statement: see billing.admin.statements."""
        wallet = self.get_queryset(request).filter(pk=wallet_id).first()
        if not self.has_view_permission(request, wallet):
            raise PermissionDenied
        if wallet is None:
            raise Http404
        return statement_page(request, wallet)


def _open_holds(request: HttpRequest, row: Wallet) -> list[Panel]:
    """The oldest holds that reserve a part of the wallet, each to be released by those who may."""
    may_release = request.user.has_perm("billing.manage_wallethold")
    back = page_of("billing.wallet", row.pk)
    oldest = WalletHold.objects.filter(OPEN, tenant_id=row.tenant_id, wallet_id=row.id).order_by("created_at", "id")[:NEWEST]
    lines = [
        (
            row_link(hold),
            money(hold.amount - hold.captured, row.currency),
            local_time(hold.created_at),
            local_time(hold.expires_at),
            action_link("billing_wallethold_release", hold.pk, "Release", back=back) if may_release else "",
        )
        for hold in oldest
    ]
    return [Panel("Reserved by holds", ("Hold", "Reserved", "Since", "Until", "Actions"), lines)] if lines else []


@admin.register(WalletHold)
class WalletHoldAdmin(HoldAdmin):
    list_display = ("created_at", "tenant", "reference_id", "amount", "captured", "status", "expires_at", "actor")
    list_select_related = ("tenant",)
    search_fields, search_parts = ("id", "reference_id"), ("reference_id",)
    release = setting_action(ReleaseForm, name="release")

    def panels(self, request: HttpRequest, row: WalletHold) -> list[Panel]:
        entries = list(WalletHoldEntry.objects.filter(tenant_id=row.tenant_id, hold_id=row.id).order_by("-created_at", "-id")[:NEWEST])
        names = actor_names(entry.actor for entry in entries)
        lines = [
            (
                entry.get_kind_display(),
                money(entry.amount, row.currency),
                id_link("billing.transaction", entry.transaction_id, "debit") if entry.transaction_id else "",
                local_time(entry.created_at),
                names[entry.actor],
                entry.reason,
            )
            for entry in entries
        ]
        return [Panel(f"What changed it, the newest {NEWEST}", ("Change", "Amount", "Debit", "Booked", "By", "Reason"), lines)]


@admin.register(WalletHoldEntry)
class WalletHoldEntryAdmin(LedgerAdmin):
    list_display = ("created_at", "tenant", "hold", "kind", "amount", "held_after", "reference_id", "actor")
    field_labels = {"transaction": "entry"}
    list_select_related = ("tenant", "hold")
    currency_path = "hold.currency"
    # Amounts of several kinds of changes.
    sum_of = ""
    list_filter = ("kind",)
    search_fields = ("id", "hold__id", "reference_id")
    icon = "history"


@admin.register(TransactionType)
class TransactionTypeAdmin(LedgerAdmin):
    list_display = ("code", "tenant", "label", "direction", "is_catalogued", "created_at", "created_by")
    list_select_related = ("tenant",)
    list_filter = ("is_catalogued", "direction")
    icon = "sell"
    actions_list = ("define_type",)
    actions_detail = ("change_type",)
    define_type = setting_action(TypeForm, name="define-type")
    change_type = setting_action(ChangeTypeForm, name="change-type")


@admin.register(DailyTotal)
class DailyTotalAdmin(WithTypes):
    list_display = ("day", "tenant", "type", "entries", "credits", "debits")
    list_select_related = ("tenant",)
    ordering = ("-day", "-id")
    icon = "calendar_month"


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = ("tenant", "strict_types", "near_duplicate_seconds", "default_floor", "longest_hold_seconds", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    icon = "tune"
    actions_list = ("set_policy",)
    actions_detail = ("change_policy",)
    set_policy = setting_action(PolicyForm, name="set-policy")
    change_policy = setting_action(PolicyForm, name="change-policy")
