"""The metering book in the back office: read-only, each list with what one looks for."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.ledger.admin import LedgerAdmin
from metering.models import Agent, Cost, Fact, Policy, Price, Rollup, Service, StatusChange, Trace, Transaction, UnitPrice


@admin.register(Transaction)
class TransactionAdmin(LedgerAdmin):
    list_display = ("id", "tenant", "service", "action_name", "resource_name", "agent", "status", "outcome", "created_at")
    list_select_related = ("tenant", "service", "agent")
    list_filter = ("status", "outcome")
    search_fields = ("id", "idempotency_key")
    icon = "bolt"


@admin.register(Cost)
class CostAdmin(LedgerAdmin):
    list_display = ("id", "tenant", "transaction", "fiat_amount", "is_estimate", "is_active", "superseded_at", "created_at")
    list_select_related = ("tenant", "transaction")
    list_filter = ("is_active", "is_estimate", "fiat_asset_symbol")
    search_fields = ("id", "transaction", "repricing")
    currency_path = "fiat_asset_symbol"
    icon = "payments"


@admin.register(Fact)
class FactAdmin(LedgerAdmin):
    """Facts that found no price say which model or quantity was wanting."""

    list_display = ("id", "tenant", "transaction", "source", "version", "phase", "pricing", "pricing_note", "created_at")
    list_select_related = ("tenant", "transaction")
    list_filter = ("pricing", "phase")
    search_fields = ("id", "transaction")
    icon = "fact_check"


@admin.register(StatusChange)
class StatusChangeAdmin(LedgerAdmin):
    list_display = ("id", "tenant", "transaction", "from_status", "to_status", "reason", "actor", "created_at")
    list_select_related = ("tenant", "transaction")
    list_filter = ("to_status",)
    search_fields = ("id", "transaction")
    icon = "timeline"


@admin.register(Agent)
class AgentAdmin(LedgerAdmin):
    list_display = ("name", "tenant", "label", "status", "created_at")
    list_select_related = ("tenant",)
    list_filter = ("status",)
    search_fields = ("id", "name")
    icon = "smart_toy"


@admin.register(Service)
class ServiceAdmin(LedgerAdmin):
    list_display = ("name", "tenant", "created_at")
    list_select_related = ("tenant",)
    search_fields = ("id", "name")
    icon = "dns"


@admin.register(Trace)
class TraceAdmin(LedgerAdmin):
    list_display = ("reference", "tenant", "external_id", "created_at")
    list_select_related = ("tenant",)
    search_fields = ("id", "reference", "external_id")
    icon = "account_tree"


@admin.register(Price)
class PriceAdmin(LedgerAdmin):
    list_display = ("id", "tenant", "service_name", "action_name", "resource_name", "currency", "valid_from", "valid_to")
    list_select_related = ("tenant",)
    search_fields = ("id", "resource_name")
    icon = "sell"


@admin.register(UnitPrice)
class UnitPriceAdmin(LedgerAdmin):
    list_display = ("fact_key", "tenant", "price", "amount", "per", "is_optional")
    list_select_related = ("tenant", "price")
    search_fields = ("id", "fact_key")
    currency_path = "price.currency"
    icon = "price_change"


@admin.register(Policy)
class PolicyAdmin(LedgerAdmin):
    list_display = ("tenant", "authorizes_at_once", "stale_after", "updated_at", "actor")
    list_select_related = ("tenant",)
    search_fields = ("id",)
    icon = "rule"


class EstimateFilter(admin.SimpleListFilter):
    title = "estimates"
    parameter_name = "estimates"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Still estimated in part")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(estimated__gt=0) if self.value() == "open" else queryset


@admin.register(Rollup)
class RollupAdmin(LedgerAdmin):
    list_display = ("starts_at", "grain", "tenant", "service", "agent", "transactions", "succeeded", "failed", "amount", "estimated")
    list_select_related = ("tenant", "service", "agent")
    list_filter = ("grain", EstimateFilter)
    ordering = ("-starts_at",)
    search_fields = ("id",)
    icon = "bar_chart"
