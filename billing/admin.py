"""The billing book for those who look into it: every row can be read, none can be changed here."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.choices import Flag
from billing.models import DailyTotal, Policy, Transaction, TransactionType, Wallet
from kernel.ledger.admin import LedgerAdmin
from kernel.tenants.models import Tenant

# A reference may stand in several tenants' books, under several types; nobody reads further.
MOST_MATCHES = 1000


class FlagFilter(admin.SimpleListFilter):
    """What a person should look at; a partial index holds just these."""

    title = "flag"
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any flag"), *Flag.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "any":
            return queryset.exclude(flags=[])
        return queryset.exclude(flags=[]).filter(flags__contains=[self.value()]) if self.value() in Flag.values else queryset


class ReversalFilter(admin.SimpleListFilter):
    title = "reversal"
    parameter_name = "reversal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("reversal", "Is a reversal"), ("reversed", "Was reversed in full"), ("partly", "Was reversed in part")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "reversal":
                return queryset.filter(reverses__isnull=False)
            case "reversed":
                return queryset.filter(reversed_by__isnull=False)
            case "partly":
                return queryset.filter(reversed_by__isnull=True, reversed_amount__gt=0)
        return queryset


@admin.register(Transaction)
class TransactionAdmin(LedgerAdmin):
    list_display = (
        "created_at",
        "tenant",
        "type",
        "reference_id",
        "agent_id",
        "effect",
        "balance_after",
        "entry_number",
        "flags",
        "occurred_at",
    )
    list_select_related = ("tenant",)
    list_filter = (FlagFilter, "direction", ReversalFilter)
    search_fields = ("id", "reference_id")
    icon = "receipt_long"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """By id, or by a reference in any tenant's book: the index begins with the tenant, so each tenant is probed once."""
        term = search_term.strip()
        if not term:
            return queryset, False
        probed = Transaction.objects.filter(tenant__in=Tenant.objects.all(), reference_id=term).order_by()
        found, _ = super().get_search_results(request, Transaction.objects.only("id"), term) if len(term) == 36 else (probed, False)
        identifiers = {*probed.values_list("id", flat=True)[:MOST_MATCHES], *found.values_list("id", flat=True)[:MOST_MATCHES]}
        return queryset.filter(id__in=identifiers), False


@admin.register(Wallet)
class WalletAdmin(LedgerAdmin):
    list_display = ("tenant", "currency", "balance", "floor", "last_entry_number", "last_entry_at", "created_at")
    list_select_related = ("tenant",)
    icon = "account_balance_wallet"


@admin.register(TransactionType)
class TransactionTypeAdmin(LedgerAdmin):
    list_display = ("code", "tenant", "label", "direction", "is_catalogued", "created_at", "created_by")
    list_select_related = ("tenant",)
    list_filter = ("is_catalogued", "direction")
    icon = "sell"


@admin.register(DailyTotal)
class DailyTotalAdmin(LedgerAdmin):
    list_display = ("day", "tenant", "currency", "type", "entries", "credits", "debits")
    list_select_related = ("tenant",)
    ordering = ("-day", "-id")
    icon = "calendar_month"


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = ("tenant", "strict_types", "near_duplicate_seconds", "default_floor", "updated_at", "updated_by")
    list_select_related = ("tenant",)
    icon = "tune"
