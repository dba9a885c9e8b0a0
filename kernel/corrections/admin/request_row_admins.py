"""The read-only pages of the rows of a request: what it corrects, its preview, evidence, comments and state changes."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Case, Value, When
from django.utils.text import capfirst

from kernel.base.empty_values import NOTHING
from kernel.corrections.choices import State
from kernel.corrections.models import CorrectionComment, CorrectionEntry, CorrectionEvidence, CorrectionLine, CorrectionStateChange
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.figures import FigureFilter
from kernel.ledger.admin.formatting import id_link, model_name


@admin.register(CorrectionLine)
class CorrectionLineAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "target_label", "target_id")
    list_select_related = ("tenant",)
    search_fields = ("id", "target_id")
    icon = "list_alt"

    def title_of(self, row: CorrectionLine) -> str:
        return f"Row {row.position} of {row.request}"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        match field.name:
            case "target_label":
                return lambda row: capfirst(model_name(row.target_label))
            case "target_id":
                return lambda row: id_link(row.target_label, row.target_id)
        return super().formatter_for(field)


@admin.register(CorrectionEntry)
class CorrectionEntryAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("id", "tenant", "request", "version", "what", "account_name", "effect", "balance_after", "entry_id")
    list_select_related = ("tenant", "request")
    currency_path = "unit"
    sum_of, has_signed_amounts = "effect", True
    # Each posted entry was previewed before, perhaps several times: one sum of both would count it twice.
    sum_kind = Case(When(entry_id__isnull=False, then=Value("posted")), default=Value("in previews"))
    list_filter = (FigureFilter,)
    icon = "preview"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        match field.name:
            case "account_label" | "entry_label":
                return lambda row: capfirst(model_name(getattr(row, field.name)))
            case "account_id":
                return lambda row: id_link(row.account_label, row.account_id, row.account_name)
            case "entry_id":
                return lambda row: id_link(row.entry_label, row.entry_id)
        return super().formatter_for(field)


@admin.register(CorrectionEvidence)
class CorrectionEvidenceAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("name", "tenant", "request", "content_type", "created_at")
    list_select_related = ("tenant", "request")
    icon = "attach_file"


@admin.register(CorrectionComment)
class CorrectionCommentAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("created_at", "tenant", "request", "actor", "text")
    list_select_related = ("tenant", "request")
    icon = "chat"


@admin.register(CorrectionStateChange)
class CorrectionStateChangeAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("created_at", "tenant", "request", "from_state", "to_state", "actor", "reason")
    list_select_related = ("tenant", "request")
    icon = "history"

    def formatter_for(self, field: Any) -> Callable[[Any], Any] | None:
        if field.name == "from_state":
            return lambda row: State(row.from_state).label if row.from_state else NOTHING
        return super().formatter_for(field)
