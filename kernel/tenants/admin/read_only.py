"""The base of every admin class of the office: lists and pages that nobody can edit by form."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import DataError, models, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.text import capfirst
from unfold.views import ChangeList

from kernel.base.field_labels import label_of
from kernel.base.local_time import local_time
from kernel.tenants.staff_scope import scope_of

Column = str | Callable[[Any], Any]
# Ids sort by the time that a row was recorded, and every table has an index of them.
ORDER_OF = {"created_at": "id"}


class PlainChangeList(ChangeList):
    """Counts the results once, and reads the rows here, so that an error in a filter is raised before the page is rendered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The tab of a browser says which list it is, as the path above the page does. Django says "Select policy to view".
        ledger = str(self.opts.app_config.verbose_name)
        name = capfirst(str(self.opts.verbose_name_plural))
        self.title = name if name == ledger else f"{name} · {ledger}"

    def get_filters(self, request: HttpRequest) -> Any:
        """Filters of a field have its label."""
        found = super().get_filters(request)
        for spec in found[0]:
            if isinstance(spec, admin.FieldListFilter) and spec.title == str(spec.field.verbose_name):
                spec.title = self.model_admin.label_of(spec.field)
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        self.result_list: Any = list(self.result_list)


class ReadOnly:
    """Mixin for a ModelAdmin in which no user, not even a superuser, adds, changes or deletes rows by form, action or URL.

    The permission methods refuse the pages and actions; the save and delete hooks refuse whatever gets past them. Changes are made by
    actions that call a service.
    """

    # Attributes of the ModelAdmin that this is mixed into, for the type checker.
    model: type[models.Model]
    fields: Any
    list_display: Any
    list_select_related: Any
    show_full_result_count = False
    # "Show counts" would count the rows of every choice of every filter.
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    # The list has buttons for exports and for saved views.
    can_export = True
    # What an empty list says.
    next_step = "They appear here as soon as the API or a command records one."
    # Labels of fields that differ from those of kernel.base.field_labels.
    field_labels: Mapping[str, str] = {}

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)  # type: ignore[call-arg]
        # Created once, because Django compares columns that are functions by identity.
        self._columns: dict[str, Column] = {}
        for field in model._meta.concrete_fields:
            formatter: Any = self.formatter_for(field)
            if formatter is not None:
                # The name becomes the CSS class of the column's cells: `column-moneyfield-amount`.
                formatter.__name__ = f"{type(field).__name__.lower()}-{field.name}"
                formatter.short_description = self.label_of(field)
                formatter.admin_order_field = ORDER_OF.get(field.name, field.name)
                self._columns[field.name] = formatter

    def label_of(self, field: models.Field) -> str:
        """What the list and a row's page call a field."""
        return self.field_labels.get(field.name) or label_of(field)

    def label_of_column(self, name: str) -> str:
        """The same for a column of the list, which may be a method of the admin."""
        field = next((field for field in self.model._meta.concrete_fields if field.name == name), None)
        if field is not None:
            return self.label_of(field)
        return str(getattr(getattr(self, name, None), "short_description", name.replace("_", " ")))

    def title_of(self, row: Any) -> str:
        """The title of a row's page."""
        return str(row)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PlainChangeList

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """The rows of the tenants that this member of staff may see. Every page, search and action starts from here."""
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
        # PostgreSQL text holds no NUL character: a filter with one would be an error.
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseRedirect(request.path)
        is_filtered = request.method == "GET" and bool(request.GET)
        try:
            with transaction.atomic() if is_filtered else nullcontext():
                return super().changelist_view(request, extra_context)  # type: ignore[misc]
        except (OverflowError, DataError):
            # Python or PostgreSQL can't represent a value of the filter, such as the year 99999.
            if not is_filtered:
                raise
            messages.error(request, "The filter was removed: a value in it is out of range.")
            return HttpResponseRedirect(request.path)

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Column]:
        """All fields in the model's order, without binary ones: those are digests, which must not be shown."""
        names = self.fields or [field.name for field in self.model._meta.concrete_fields if not isinstance(field, models.BinaryField)]
        return [self.column(name) for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Column]:
        return self.get_fields(request, obj)

    def get_list_display(self, request: HttpRequest) -> list[Column]:
        return [self.column(name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Reads the related rows that the list shows in the same query."""
        relations = {field.name for field in self.model._meta.concrete_fields if field.is_relation}
        return [name for name in self.list_display if name in relations] + list(self.list_select_related or [])

    def column(self, name: Column) -> Column:
        """The function that formats a field, if it has one; else the column itself."""
        return self._columns.get(name, name) if isinstance(name, str) else name

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        """The function that formats this field's value for a row; None to leave it to Django."""
        if isinstance(field, models.DateTimeField):
            return lambda row: local_time(getattr(row, field.attname))
        return None
