"""The credits ledger in the back office: to look at, not to write."""

from django.contrib import admin

from credits.models import Consumption, CreditTransaction, Grant, Hold, HoldEntry, HoldLine, RecurringGrant
from kernel.ledger.admin import LedgerAdmin


@admin.register(Grant)
class GrantAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "name", "unit_type", "metric_id", "balance", "held", "original_amount", "expiry_date", "status")
    list_filter = ("status", "unit_type", "category")
    search_fields = ("id", "customer_id")
    list_select_related = ("tenant",)
    icon = "redeem"


@admin.register(CreditTransaction)
class CreditTransactionAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "grant", "type", "kind", "amount", "balance_after", "entry_number", "created_at", "actor")
    list_filter = ("type", "kind")
    search_fields = ("id", "grant__id", "customer_id", "invoice_id", "billing_run_id")
    list_select_related = ("grant",)
    currency_path = "grant.currency"
    icon = "swap_vert"


@admin.register(Consumption)
class ConsumptionAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "amount", "taken", "currency", "metric_id", "invoice_id", "created_at", "actor")
    list_filter = ("partial",)
    search_fields = ("id", "customer_id")
    icon = "trending_down"


@admin.register(Hold)
class HoldAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "amount", "captured", "currency", "metric_id", "status", "expires_at", "created_at", "actor")
    list_filter = ("status",)
    search_fields = ("id", "customer_id")
    icon = "lock_clock"


@admin.register(HoldLine)
class HoldLineAdmin(LedgerAdmin):
    list_display = ("id", "hold", "grant", "amount", "remaining", "expires_at")
    search_fields = ("id", "hold__id", "grant__id")
    list_select_related = ("hold", "grant")
    currency_path = "grant.currency"
    icon = "splitscreen"


@admin.register(HoldEntry)
class HoldEntryAdmin(LedgerAdmin):
    list_display = ("id", "hold", "grant", "kind", "amount", "held_after", "created_at", "actor")
    list_filter = ("kind",)
    search_fields = ("id", "hold__id", "grant__id")
    list_select_related = ("hold", "grant")
    currency_path = "grant.currency"
    icon = "history"


@admin.register(RecurringGrant)
class RecurringGrantAdmin(LedgerAdmin):
    list_display = ("id", "customer_id", "name", "amount", "currency", "metric_id", "every_months", "next_on", "rollover_cap", "status")
    list_filter = ("status", "unit_type")
    search_fields = ("id", "customer_id")
    icon = "event_repeat"
