"""The lists of what the decisions count, and of what they refused."""

from django.contrib import admin

from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.money import trimmed_digits
from metering.rules.models import RuleCounter, RuleCounterEntry, RuleExecution, RuleMeasure


@admin.register(RuleExecution)
class RuleExecutionAdmin(LedgerAdmin):
    """Denials, newest first."""

    list_display = ("created_at", "tenant", "rule", "reason", "transaction")
    list_select_related = ("tenant", "rule", "transaction")
    search_fields = ("id", "rule", "transaction")
    icon = "block"


class CountingAdmin(LedgerAdmin):
    in_sidebar = False


@admin.register(RuleMeasure)
class RuleMeasureAdmin(CountingAdmin):
    list_display = (
        "id",
        "tenant",
        "measurement_type",
        "interval_value",
        "interval_unit",
        "is_rolling",
        "groups",
        "is_counting",
        "retire_at",
    )
    list_select_related = ("tenant",)
    json_fields = ("conditions",)
    icon = "straighten"


@admin.register(RuleCounter)
class RuleCounterAdmin(CountingAdmin):
    list_display = ("id", "tenant", "measure", "group_key", "sum", "last_at")
    list_select_related = ("tenant", "measure")
    search_fields = ("id", "measure")
    icon = "calculate"

    @admin.display(description="used")
    def sum(self, row: RuleCounter) -> str:
        return trimmed_digits(row.used)


@admin.register(RuleCounterEntry)
class RuleCounterEntryAdmin(CountingAdmin):
    list_display = ("id", "tenant", "counter", "transaction", "added", "at")
    list_select_related = ("tenant", "counter", "transaction")
    search_fields = ("id", "counter", "transaction")
    icon = "playlist_add"

    @admin.display(description="amount")
    def added(self, row: RuleCounterEntry) -> str:
        return trimmed_digits(row.amount)
