"""The admin of the back office's own tables."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.text import capfirst

from backoffice.app_titles import list_title
from backoffice.models import Change, ClosedDay, DaySum, Export, IntegrityRun, SavedView, SignIn
from backoffice.row_pages.history import OPERATIONS, RECORDED, difference_of, model_of, operation_of
from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.formatting import id_link, label, link
from kernel.tenants.admin.read_only import ReadOnly
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

FORMATS = {"xlsx": "Excel workbook", "csv": "CSV"}
STATE_COLOURS = {Export.State.READY: "good", Export.State.FAILED: "bad", Export.State.WRITING: "wait"}


# Changes of staff accounts and of what they see: for superusers only, as the accounts are.
STAFF_TABLES = ("auth_user", "auth_user_groups", "tenants_staffprofile", "tenants_stafftenant")


class OwnRows(ReadOnly):
    """Mixin for rows that only their own user may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(user_id=request.user.pk)


@admin.register(Export)
class ExportAdmin(OwnRows, LedgerAdmin):
    icon = "download"
    # What is listed is a link itself, so another column leads to the file's page.
    list_display = ("created_at", "what", "file_format", "status", "rows")
    fields = ("what", "file_format", "status", "rows", "size", "error", "created_at", "moved_at")
    folds_empty = True
    field_labels = {"rows": "rows written", "error": "why it failed", "moved_at": "last written"}

    def action_links(self, request: HttpRequest, row: Export) -> list[dict[str, str]]:
        """The file, if it is ready; else how far it is, with what can be done where it failed."""
        if row.state == Export.State.READY:
            found = {"title": "Download", "icon": "download", "url": reverse("admin:backoffice_export_download", args=(row.pk,))}
        else:
            found = {"title": "Progress", "icon": "hourglass", "url": reverse("admin:backoffice_export_progress", args=(row.pk,))}
        return [*super().action_links(request, row), found]

    @admin.display(description="list")
    def what(self, export: Export) -> Any:
        return link(export.source, list_title(export.source) or export.title)

    @admin.display(description="file")
    def file_format(self, export: Export) -> str:
        return FORMATS.get(export.format, export.format)

    @admin.display(description="size")
    def size(self, export: Export) -> str:
        return filesizeformat(export.bytes)

    @admin.display(description="state")
    def status(self, export: Export) -> Any:
        return label(export.get_state_display(), STATE_COLOURS[Export.State(export.state)])


@admin.register(SavedView)
class SavedViewAdmin(OwnRows, LedgerAdmin):
    icon = "bookmark"
    ordering = ("name", "id")
    search_fields = ()
    list_display = ("name", "what", "created_at")
    fields = ("name", "what", "created_at")
    field_labels = {"created_at": "saved"}

    @admin.display(description="list")
    def what(self, saved: SavedView) -> Any:
        return link(f"{saved.path}?{saved.query}", list_title(saved.path) or saved.path)


@admin.register(DaySum)
class DaySumAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("day", "occurred_on", "tenant", "figure", "customer_id", "entries", "amount")
    list_filter = ("figure",)
    list_select_related = ("tenant",)
    ordering = ("-day", "-id")
    currency_path = "unit"
    # Each customer's amounts are also in those of all customers.
    sum_of = ""


@admin.register(ClosedDay)
class ClosedDayAdmin(LedgerAdmin):
    in_sidebar = False
    ordering = ("-day",)
    search_fields = ()
    list_display = ("day",)


def setting_name(table: str) -> str:
    model = model_of(table)
    # Three apps have a policy.
    return capfirst(f"{model._meta.app_config.verbose_name}: {model._meta.verbose_name}") if model else table


def _setting(row: Change) -> str:
    return setting_name(row.table)


def _row_of(row: Change) -> Any:
    model = model_of(row.table)
    text = row.row if len(row.row) < 12 else ""
    return id_link(model._meta.label_lower, row.row, text) if model and row.operation != "DELETE" else row.row


def _tenant_of(row: Any) -> Any:
    return id_link("tenants.tenant", row.tenant_id, getattr(row, "tenant_name", ""))


class SettingFilter(admin.SimpleListFilter):
    """Changes of one kind of setting. The choices are known: to read them from the table, every change would be read."""

    title = parameter_name = "setting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tables = [*(apps.get_model(label)._meta.db_table for label in RECORDED), *(STAFF_TABLES if request.user.is_superuser else ())]
        return sorted(((table, setting_name(table)) for table in dict.fromkeys(tables)), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(table=self.value()) if self.value() else queryset


class OperationFilter(admin.SimpleListFilter):
    title = "what was done"
    parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, capfirst(words)) for code, words in OPERATIONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(operation=self.value()) if self.value() else queryset


@admin.register(Change)
class ChangeAdmin(LedgerAdmin):
    """The history of settings: who changed what."""

    icon = "manage_history"
    list_display = ("at", "table", "operation", "changed", "tenant_id", "actor", "row")
    list_filter = (SettingFilter, OperationFilter)
    search_fields = ("row",)
    fields = ("at", "actor", "table", "row", "operation", "difference", "before", "after", "tenant_id", "database_user", "request_id", "id")
    field_labels = {
        "table": "setting",
        "operation": "what",
        "tenant_id": "tenant",
        "before": "all values before",
        "after": "all values after",
    }

    def title_of(self, row: Change) -> str:
        return f"{_setting(row)}: {operation_of(row)}"

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        words = {"table": _setting, "operation": operation_of, "row": _row_of, "tenant_id": _tenant_of}.get(field.name)
        # A partial and not the function: the base class sets an attribute on what formats a column, and the function formats several.
        return partial(words) if words is not None else super().formatter_for(field)

    def read_related(self, rows: list[Any]) -> None:
        """The names of the tenants, in one query."""
        names = dict(Tenant.objects.filter(pk__in={row.tenant_id for row in rows if row.tenant_id}).values_list("pk", "name"))
        for row in rows:
            row.tenant_name = names.get(row.tenant_id, "")

    @admin.display(description="difference")
    def changed(self, row: Change) -> Any:
        """In the list; what a new row has stands on the page of its change."""
        return difference_of(row) if row.operation == "UPDATE" else NOTHING

    @admin.display(description="difference")
    def difference(self, row: Change) -> Any:
        return difference_of(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        scope = scope_of(request.user)
        rows = super().get_queryset(request)
        if not request.user.is_superuser:
            rows = rows.exclude(table__in=STAFF_TABLES)
        return rows if scope.tenant_ids is None else rows.filter(tenant_id__in=scope.tenant_ids)


@admin.register(IntegrityRun)
class IntegrityRunAdmin(LedgerAdmin):
    icon = "verified"
    list_display = ("at", "ledgers", "tenant", "violations", "first", "seconds")
    list_select_related = ("tenant",)
    folds_empty = True


@admin.register(SignIn)
class SignInAdmin(LedgerAdmin):
    """For superusers only: its rows have no tenant, and name staff."""

    icon = "login"
    list_display = ("at", "user", "outcome", "address")
    list_select_related = ("user",)
    list_filter = ("outcome",)
    search_fields = ("address",)
    technical, folds_empty = ("name_digest",), True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    has_module_permission = has_view_permission
