"""Filters of lists that are forms: a tenant, a range of amounts, one exact value of a column, and the columns that the list shows."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from kernel.ledger.admin.search_terms import read_amounts
from kernel.ledger.admin.text_conditions import has
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

# With more tenants than this, the filter takes the name of one instead of listing them.
MAX_LISTED_TENANTS = 100
COLUMNS = "columns"


class FormFilter(admin.SimpleListFilter):
    """A filter with fields of its own, sent with the form of all filters."""

    template = "ledger/filter_form.html"
    # Field names of the form; the first is parameter_name.
    names: tuple[str, ...] = ()
    label = ""

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        self.request, self.page = request, model_admin
        self.values: dict[str, str] = {}
        for name in self.names:
            if given := params.pop(name, None):
                self.values[name] = (given[-1] if isinstance(given, list) else given).strip()
        super().__init__(request, params, model, model_admin)
        # What the form of filters must not send again as a hidden field.
        self.used_parameters.update(self.values)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def has_output(self) -> bool:
        return True

    def refuse(self, text: str) -> None:
        """Raises IncorrectLookupParameters: the list is shown without its filters, with this message."""
        messages.error(self.request, f"The filter was removed: {text}", fail_silently=True)
        raise IncorrectLookupParameters

    def fields(self) -> list[dict[str, Any]]:
        return [{"name": name, "value": self.values.get(name, ""), "label": self.title, "mode": ""} for name in self.names]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield from self.fields()


class TenantFilter(FormFilter):
    title = "tenant"
    parameter_name = "tenant"
    names = ("tenant",)

    def fields(self) -> list[dict[str, Any]]:
        chosen = self.values.get("tenant", "")
        tenants = list(self._tenants()[: MAX_LISTED_TENANTS + 1])
        options = [(str(tenant.pk), tenant.name, str(tenant.pk) == chosen) for tenant in tenants]
        if len(tenants) > MAX_LISTED_TENANTS:
            return [{"name": "tenant", "value": chosen, "label": "Slug of a tenant", "mode": ""}]
        return [{"name": "tenant", "options": [("", "All", not chosen), *options], "label": "Tenant"}]

    def _tenants(self) -> QuerySet[Tenant]:
        return scope_of(self.request.user).limit(Tenant.objects.order_by("name", "id"))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        text = self.values.get("tenant", "")
        if not text:
            return queryset
        try:
            return queryset.filter(tenant_id=text)
        except Exception:
            tenant = self._tenants().filter(slug=text.lower()).first()
        if tenant is None:
            self.refuse("there is no such tenant.")
        return queryset.filter(tenant=tenant)


class AmountFilter(FormFilter):
    """A range of amounts, both ends included, as people write them: 7350.25, 7,350.25 or 7.350,25. The sign doesn't matter."""

    title = "amount"
    parameter_name = "amount_from"
    names = ("amount_from", "amount_to")
    column: ClassVar[str] = "amount"
    # Whether the column has negative amounts too.
    is_signed: ClassVar[bool] = False

    def fields(self) -> list[dict[str, Any]]:
        titles = {"amount_from": "At least", "amount_to": "At most"}
        return [{"name": name, "value": self.values.get(name, ""), "label": titles[name], "mode": "decimal"} for name in self.names]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        least, most = (self._amount(name) for name in self.names)
        if least is None and most is None:
            return queryset
        return queryset.filter(in_range(self.column, least, most, is_signed=self.is_signed))

    def _amount(self, name: str) -> Decimal | None:
        text = self.values.get(name, "")
        if not text:
            return None
        found = read_amounts(text)
        if not found:
            self.refuse("write amounts like 7350.25.")
        return found[0]


def in_range(column: str, least: Decimal | None, most: Decimal | None, *, is_signed: bool) -> Q:
    """Rows whose amount is between the two, whatever its sign."""
    above = Q(**{f"{column}__gte": least or Decimal(0)})
    found = above if most is None else above & Q(**{f"{column}__lte": most})
    if is_signed:
        below = Q(**{f"{column}__lte": -(least or Decimal(0))})
        found |= below if most is None else below & Q(**{f"{column}__gte": -most})
    return found


class ValueFilter(FormFilter):
    """Rows with exactly this value in a column that has too many values to list."""

    column: ClassVar[str] = ""
    is_upper: ClassVar[bool] = False

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.values.get(self.names[0], "")
        if not value:
            return queryset
        value = value.upper() if self.is_upper and len(value) == 3 else value
        if self.column == "type":
            # By its code, or as it is shown.
            return queryset.filter(type__in=self.page.types_called(request, queryset, value))
        return queryset.filter(self.page.equal_to(self.page.get_queryset(request).order_by(), self.column, value))


class TextFilter(FormFilter):
    """Rows that have every word in a column that people wrote, whatever the case and accents."""

    column: ClassVar[str] = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        for word in self.values.get(self.names[0], "").split():
            queryset = queryset.filter(has((self.column,), word))
        return queryset


class ColumnsFilter(FormFilter):
    """The columns that the list shows, in the order of the table's fields. The choice stands in the address, so a saved view keeps it."""

    title = "columns"
    parameter_name = COLUMNS
    names = (COLUMNS,)
    template = "ledger/filter_columns.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.chosen = chosen_columns(request, model_admin)

    def fields(self) -> list[dict[str, Any]]:
        shown = self.chosen or list(self.page.list_display)
        return [
            {"name": name, "title": capfirst(title), "is_shown": name in shown} for name, title in self.page.columns_to_choose().items()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset


def chosen_columns(request: HttpRequest, page: Any) -> list[str]:
    """The columns that the address names, several with dots between them or each as a parameter; empty: those of the list itself."""
    names = {name for text in request.GET.getlist(COLUMNS) for name in text.split(".")}
    return [name for name in page.columns_to_choose() if name in names]


def value_filter(name: str, column: str, title: str, *, is_upper: bool = False) -> type[ValueFilter]:
    attributes = {"title": title, "parameter_name": name, "names": (name,), "column": column, "is_upper": is_upper}
    return type("ValueFilter", (ValueFilter,), attributes)


def text_filter(column: str) -> type[TextFilter]:
    attributes = {"title": column, "parameter_name": column, "names": (column,), "column": column}
    return type("TextFilter", (TextFilter,), attributes)


def amount_filter(column: str, *, is_signed: bool) -> type[AmountFilter]:
    return type("AmountFilter", (AmountFilter,), {"column": column, "is_signed": is_signed})
