"""The read-only pages of the rows of a request: what it corrects, its preview, evidence, comments and state changes."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin

from kernel.corrections.models import CorrectionComment, CorrectionEntry, CorrectionEvidence, CorrectionLine, CorrectionStateChange
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.formatting import effect
from kernel.ledger.money import MoneyField


@admin.register(CorrectionLine)
class CorrectionLineAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "target_label", "target_id")
    list_select_related = ("tenant",)
    search_fields = ("id", "target_id")
    icon = "list_alt"


@admin.register(CorrectionEntry)
class CorrectionEntryAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "version", "what", "account_name", "effect", "balance_after", "entry_id")
    list_select_related = ("tenant", "request")
    currency_path = "unit"
    icon = "preview"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if isinstance(field, MoneyField) and field.name == "effect":
            return lambda row: effect(row.effect, row.unit)
        return super().formatter_for(field)


@admin.register(CorrectionEvidence)
class CorrectionEvidenceAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "name", "content_type", "created_at")
    list_select_related = ("tenant", "request")
    icon = "attach_file"


@admin.register(CorrectionComment)
class CorrectionCommentAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "actor", "text", "created_at")
    list_select_related = ("tenant", "request")
    icon = "chat"


@admin.register(CorrectionStateChange)
class CorrectionStateChangeAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "from_state", "to_state", "actor", "reason", "created_at")
    list_select_related = ("tenant", "request")
    icon = "history"
