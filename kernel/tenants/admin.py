"""The admin's read-only ground, and the pages of tenants and keys on it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from kernel.tenants.models import ApiKey, StaffProfile, StaffTenant, Tenant
from kernel.tenants.staff import scope_of

Column = str | Callable[[Any], Any]


def local_time(moment: datetime | None) -> SafeString | str:
    """`2026-03-01 10:30:00 CET`: the reader's own zone, never unsaid; UTC with its microseconds is in the tooltip."""
    if moment is None:
        return "-"
    told = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time class="utc" datetime="{0}" title="{0}">{1}</time>', moment.astimezone(UTC).isoformat(), told)


class PlainChangeList(ChangeList):
    """Without the heading that counts results a second time, as a fact where the paginator knows an estimate."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class ReadOnly:
    """Nobody adds, changes or deletes here, a superuser neither: not by a form, an action or a URL.

    Permissions refuse the pages and the actions that need one; the save and delete hooks refuse whatever gets past them. A class that
    lists a fact to correct adds an action that calls a service.
    """

    model: type[models.Model]
    show_full_result_count = False
    sortable_by = ()
    # Its list has doors to a file of what it shows, and to saved filters.
    can_export = True

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)  # type: ignore[call-arg]
        # Made once: Django knows a column that is a function by its identity.
        self._columns: dict[str, Column] = {}
        for field in model._meta.concrete_fields:
            show = None if hasattr(self, field.name) else self.formatter_for(field)
            if show is not None:
                # The name becomes the class of the column's cells: `column-moneyfield-amount`.
                show.__name__, show.short_description = f"{type(field).__name__.lower()}-{field.name}", field.verbose_name
                self._columns[field.name] = show

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """What every page, search and action begins with: the rows of the tenants that this member of staff may see."""
        return scope_of(request.user).limit(super().get_queryset(request))  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: Any) -> None:
        raise PermissionDenied

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        raise PermissionDenied

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        raise PermissionDenied

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # PostgreSQL has no NUL in text, and would answer one in a filter with an error.
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseRedirect(request.path)
        return super().changelist_view(request, extra_context)  # type: ignore[misc]

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Column]:
        """All that the row holds, in the model's order; bytes are digests, which tell a reader nothing and a thief something."""
        names = self.fields or [field.name for field in self.model._meta.concrete_fields if not isinstance(field, models.BinaryField)]
        return [self.column(name) for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Column]:
        return self.get_fields(request, obj)

    def get_list_display(self, request: HttpRequest) -> list[Column]:
        return [self.column(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Every related row that the list shows comes with the page's one query."""
        relations = {field.name for field in self.model._meta.concrete_fields if field.is_relation}
        return [name for name in self.list_display if name in relations] + list(self.list_select_related or [])

    def column(self, name: Column) -> Column:
        """The field itself, or the function that shows it better; names of methods and functions stay as they are."""
        return self._columns.get(name, name) if isinstance(name, str) else name

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        """The function that formats this field's value for a row; None to leave it to Django."""
        if isinstance(field, models.DateTimeField):
            return lambda row: local_time(getattr(row, field.attname))
        return None


@admin.register(Tenant)
class TenantAdmin(ReadOnly, ModelAdmin):
    icon = "apartment"
    list_display = ("name", "slug", "currency", "is_active", "parent", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    icon = "key"
    list_display = ("name", "prefix", "tenant", "scope_list", "state", "expires_at", "last_used_at")
    fields = (
        "id",
        "tenant",
        "name",
        "prefix",
        "scope_list",
        "state",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "created_at",
        "created_by",
    )
    search_fields = ("name", "prefix")

    @display(description="scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description="state", label={"active": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "active"


@admin.register(StaffProfile)
class StaffProfileAdmin(ReadOnly, ModelAdmin):
    icon = "badge"
    list_display = ("user", "time_zone", "sees_all_tenants")
    search_fields = ("user__username",)


@admin.register(StaffTenant)
class StaffTenantAdmin(ReadOnly, ModelAdmin):
    icon = "domain_verification"
    list_display = ("profile", "tenant")
    ordering = ("-id",)
