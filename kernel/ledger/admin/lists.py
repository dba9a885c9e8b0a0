"""The list of a ledger table: its filters, its search, its columns, and the sums of what is filtered."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import get_fields_from_path
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Concat, NullIf
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join, strip_tags

from kernel.ledger.admin.field_filters import ColumnsFilter, TenantFilter, amount_filter, chosen_columns, text_filter, value_filter
from kernel.ledger.admin.filters import MomentRangeFilter, WindowFilter, WorldTimeFilter
from kernel.ledger.admin.formatting import actor_names
from kernel.ledger.admin.search_terms import read_terms
from kernel.ledger.admin.searching import MAX_MATCHES, NEWEST, Found, equal_to, find_rows, newest_of, note_of_newest, values_of
from kernel.ledger.admin.sums import KIND_SEPARATOR, StoredSums, SummingPaginator
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.ledger.base_models import LedgerRow, TenantOwned
from kernel.ledger.json_field import DocumentField
from kernel.tenants.admin.read_only import PlainChangeList
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

# Columns that name an actor, such as "staff:2".
PEOPLE = {"actor", "requested_by", "created_by", "decided_by", "started_by", "undone_by", "updated_by"}
# How long the count, and the rows, of a filtered list may take before only the newest rows are looked at.
LIST_MS = 250
# Columns for which a filter takes an exact value: the name in the address, and the title.
VALUES = {
    "agent_id": ("agent", "agent"),
    "agent__name": ("agent", "agent"),
    "customer_id": ("customer", "customer"),
    "type": ("type_is", "type"),
}
# What a search calls columns whose label is no noun.
SEARCH_NOUNS = {
    "external_id": "caller's own reference",
    "object_id": "object",
    "pay_to": "payee",
    "row": "ID of the changed row",
    "target_id": "corrected row",
    "user": "user name",
}

# Columns that people wrote, for which a filter takes words.
TEXTS = ("description",)


class LedgerChangeList(PlainChangeList):
    """Reads the names of the people of all rows on the page in two queries, and sets each row's `people`. `foot`: what stands below."""

    foot: dict[str, Any] | None = None
    queryset: Any
    # Whether the list is empty only because it shows the newest days.
    is_outside_window = False

    def get_results(self, request: HttpRequest) -> None:
        self.request = request
        if getattr(request, "reads_every_row", False):
            # A file, or the sums: they take `queryset` itself, without a page of it.
            return
        if self._is_narrowed(request):
            try:
                with time_limit(LIST_MS):
                    self._read(request)
            except TookTooLong:
                # Rare values without an index: the newest rows are looked at, and nobody waits for the whole table.
                text = f"Only the newest {NEWEST:,} rows were looked at. Choose a tenant or a shorter time to see others."
                messages.info(request, text, fail_silently=True)
                self.queryset = self.queryset & self._newest(request)
                self._read(request)
                # The sums are of all that is filtered, not of what was looked at.
                self.foot = self.foot and {"is_late": True, "address": request.get_full_path()}
        else:
            self._read(request)
        rows = self.result_list
        has_window = any(isinstance(spec, WindowFilter) for spec in self.filter_specs)
        self.is_outside_window = has_window and not rows and not self._is_narrowed(request) and self.root_queryset.exists()
        columns = PEOPLE & {field.name for field in self.model._meta.concrete_fields}
        names = actor_names(getattr(row, column) for row in rows for column in columns)
        for row in rows:
            row.people = names
        self.model_admin.read_related(rows)

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for what can't be sorted, whatever the address says: without an index, every row would be read and sorted."""
        return super().get_ordering_field(field_name) if field_name in self.sortable_by else None

    def _read(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.foot = self.paginator.foot()
        if self.foot is not None:
            self.foot |= {"address": request.get_full_path()}
            if getattr(request, "is_search_of_newest", False) and "sums" in self.foot:
                self.foot["note"] = f"Sum of what was found in the newest {NEWEST:,} rows:"

    def _is_narrowed(self, request: HttpRequest) -> bool:
        return bool(self.query or self.has_active_filters or scope_of(request.user).tenant_ids is not None)

    def _newest(self, request: HttpRequest) -> Any:
        """The newest rows of the period and the tenant that were chosen."""
        rows = self.root_queryset
        for spec in self.filter_specs:
            if isinstance(spec, WindowFilter | TenantFilter) or type(spec) is MomentRangeFilter:
                rows = spec.queryset(request, rows)
        return newest_of(rows.order_by(), self.model_admin.ordering)


class LedgerList:
    """Mixin for LedgerAdmin. What a subclass may name:

    `search_fields`: columns that are compared with exactly the searched text, each with an index. `search_parts`: columns of which a part
    is enough. `search_states`: words for a state of a row, as `refunded`, which narrow a search by something else.
    """

    model: type[models.Model]
    # Attributes of ReadOnly, for the type checker.
    label_of_column: Any
    ordering: Any
    list_display: Any
    search_fields: Any
    currency_path: str
    search_parts: tuple[str, ...] = ()
    search_states: ClassVar[Mapping[str, Q]] = {}
    # The column, or expression, that is summed up below the list; None: the amount, if the table has one; empty: nothing.
    sum_of: Any = None
    # An expression of a word that tells sums below the list apart, such as "posted"; None: one sum in each unit.
    sum_kind: Any = None
    has_signed_amounts = False
    # Whether an index of each tenant has the amounts.
    has_amount_index = False
    # Columns with an index that begins with the tenant.
    sortable_in_a_tenant: tuple[str, ...] = ()

    @property
    def search_amounts(self) -> tuple[str, ...]:
        return tuple(name for name in ("amount", "fiat_amount", "original_amount") if self._has(name))

    @property
    def search_time(self) -> str:
        """The column of dates in a search: when it happened, because that is what people remember."""
        return next((name for name in ("occurred_at", "created_at", "starts_at", "day") if self._has(name)), "")

    def search_names(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of names in a search, such as `agent:`."""
        known: dict[str, tuple[str, ...]] = {
            "agent": ("agent__name",) if self._is_relation("agent") else ("agent_id",),
            "currency": tuple(self.unit_columns()),
            "customer": ("customer_id",),
            "invoice": ("invoice_id",),
            "reference": ("reference_id",),
            "type": ("type",),
        }
        return {name: found for name, columns in known.items() if (found := tuple(column for column in columns if self._has(column)))}

    def unit_columns(self) -> list[str]:
        """The columns that hold the unit of an amount."""
        path = self.currency_path.replace(".", "__")
        return [name for name in (path, "metric_id") if self._has(name)]

    def _has(self, name: str) -> bool:
        first = name.partition("__")[0]
        # `agent_id` is a column of billing's own, and the name of a reference's column elsewhere.
        return any(field.name == first for field in self.model._meta.concrete_fields)

    def _is_relation(self, name: str) -> bool:
        return any(field.name == name and field.is_relation for field in self.model._meta.concrete_fields)

    @property
    def search_help_text(self) -> str:
        """What the search field says before anybody types: `Reference, agent, amount, date or ID`."""
        words = [
            self._noun(name) for name in (*self.search_parts, *self.search_fields) if not self._is_id(name) and name != "idempotency_key"
        ]
        words += ["amount"] if self.search_amounts else []
        words += ["date"] if self.search_time else []
        words += ["ID"] if any(self._is_id(name) for name in self.search_fields) else []
        text = _listed(list(dict.fromkeys(words)), "or")
        return text[:1].upper() + text[1:]

    @property
    def search_advice(self) -> list[str]:
        """Sentences about the search, for a list that it found nothing in."""
        parts = list(dict.fromkeys(self._noun(name) for name in self.search_parts))
        ids = [self._noun(name) for name in self.search_fields if self._is_id(name) and name != "id"]
        whole = [self._noun(name) for name in self.search_fields if not self._is_id(name)]
        whole = list(dict.fromkeys(word for word in whole if word not in parts))
        whole += ["ID of the row"] if "id" in self.search_fields else []
        whole += [f"ID of its {word}" for word in dict.fromkeys(ids)]
        names = sorted(f"{name}:" for name in self.search_names())
        sentences = [
            f"A part of the {_listed(parts, 'or')} is enough." if parts else "",
            f"The {_listed(whole, 'or')} is found if all of it is typed." if whole else "",
            "Write an amount as amount:7350.25 or amount:100..200." if self.search_amounts else "",
            "Write a time as march 2026, 14 march or last week." if self.search_time else "",
            f"Put {_listed(names, 'or')} before a value to look for it there only." if names else "",
        ]
        return [sentence for sentence in sentences if sentence]

    def _is_id(self, name: str) -> bool:
        """Whether a column that is searched holds ids of rows."""
        column = get_fields_from_path(self.model, name)[-1]
        return column.is_relation or isinstance(column, models.UUIDField) or name == "id"

    def _noun(self, name: str) -> str:
        """What people call a column that is searched."""
        first = name.partition("__")[0]
        return SEARCH_NOUNS.get(first) or str(self.label_of_column(first))

    # ---- filters

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Tenant, amount, currency, agent, customer and type, as far as the table has them; then the list's own; then both clocks."""
        own = list(super().get_list_filter(request))  # type: ignore[misc] # of ModelAdmin
        named = {name if isinstance(name, str) else name[0] if isinstance(name, tuple) else "" for name in own}
        filters: list[Any] = []
        if issubclass(self.model, LedgerRow):
            filters.append(WindowFilter)
        if issubclass(self.model, TenantOwned) and scope_of(request.user).has_several():
            filters.append(TenantFilter)
        if self.search_amounts:
            filters.append(amount_filter(self.search_amounts[0], is_signed=self.has_signed_amounts))
        filters += [
            value_filter("unit" if name.endswith("metric_id") else "currency", name, self._unit_title(name), is_upper=True)
            for name in self.unit_columns()
            if name not in named
        ]
        for column, (name, title) in VALUES.items():
            if column not in named and self._has(column) and self._is_relation(column.partition("__")[0]) == ("__" in column):
                filters.append(value_filter(name, column, title))
        filters += [text_filter(name) for name in TEXTS if name not in named and self._has(name)]
        clocks = [("created_at", MomentRangeFilter), ("occurred_at", WorldTimeFilter)] if issubclass(self.model, LedgerRow) else []
        return [*filters, *own, *clocks, ColumnsFilter]

    def _unit_title(self, name: str) -> str:
        return "metric" if name.endswith("metric_id") else "currency"

    def equal_to(self, rows: models.QuerySet, name: str, term: str) -> models.Q:
        """Rows with this value in a column, by their ids.

        A value that is in more than MAX_MATCHES rows is filtered by the column: reading from the newest row on soon finds a page of them.
        """
        condition = equal_to(rows, name, term)
        if issubclass(self.model, TenantOwned):
            rows = rows.filter(tenant__in=Tenant.objects.all())
        if "__" in name:
            # An index has the key of the other row, and not its name.
            path, _, column = name.partition("__")
            named: Any = self.model._meta.get_field(path).related_model
            keys = list(named.objects.filter(equal_to(named.objects.all(), column, term)).values_list("pk", flat=True)[: MAX_MATCHES + 1])
            if len(keys) > MAX_MATCHES:
                return condition
            condition = models.Q(**{f"{path}__in": keys})
        matches = list(rows.filter(condition).values_list("pk", flat=True)[: MAX_MATCHES + 1])
        return condition if len(matches) > MAX_MATCHES else models.Q(pk__in=matches)

    def stored_sums(self, request: HttpRequest) -> StoredSums | None:
        """Sums that the ledger keeps of exactly what the address chooses, beside its tenant and days; None: it keeps none."""
        return None

    def types_called(self, request: HttpRequest, rows: models.QuerySet, text: str) -> list[str]:
        """The codes of types that are shown so, and the text itself."""
        return values_of(request, rows, "type_is", "type", text)

    # ---- columns and order

    def columns_to_choose(self) -> dict[str, str]:
        """The columns that the list can show, and their titles: those of the list first."""
        hidden = models.BinaryField | models.JSONField | DocumentField
        names = [name for name in self.list_display if isinstance(name, str)]
        names += [field.name for field in self.model._meta.concrete_fields if not isinstance(field, hidden) and field.name not in names]
        return {name: self.label_of_column(name) for name in names}

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Also the relations among the columns that were chosen."""
        relations = {field.name for field in self.model._meta.concrete_fields if field.is_relation}
        chosen = [name for name in chosen_columns(request, self) if name in relations]
        return list(dict.fromkeys([*super().get_list_select_related(request), *chosen]))  # type: ignore[misc] # of ReadOnly

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        """Where an index has the order: book time, because ids sort by it; within one tenant, also when it happened."""
        if not issubclass(self.model, LedgerRow) or self.ordering != ("-id",):
            return []
        names = {"id", "created_at"}
        scope = scope_of(request.user)
        if request.GET.get("tenant") or (scope.tenant_ids is not None and len(scope.tenant_ids) == 1):
            names |= set(self.sortable_in_a_tenant)
        return [column for column in self.get_list_display(request) if getattr(column, "admin_order_field", None) in names]  # type: ignore[attr-defined]

    # ---- search

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, search_term: str) -> tuple[models.QuerySet, bool]:
        """Rows that the search finds: see kernel.ledger.admin.searching."""
        if not search_term.strip():
            return queryset, False
        terms = read_terms(search_term)
        found = find_rows(self, request, terms)
        if found is None:
            text = f"This list has nothing of what the search names. {' '.join(self.search_advice)}"
            messages.info(request, text, fail_silently=True)
            found = Found()
        elif not found.is_complete:
            messages.info(request, note_of_newest(terms), fail_silently=True)
            request.is_search_of_newest = True  # type: ignore[attr-defined]
        return queryset.filter(found.rows), False

    def set_words(self, rows: list[dict[str, Any]]) -> None:
        """Puts what people read into rows of a workbook, by column: names in the place of codes of people and keys."""
        columns = [name for name in PEOPLE if rows and name in rows[0]]
        names = actor_names(row[name] for row in rows for name in columns if row[name])
        for row in rows:
            row.update({name: strip_tags(names[row[name]]) for name in columns if row[name]})

    def search_line(self, row: Any) -> Any:
        """What the search says of a row that it found, below its title."""
        column = next((name for name in ("effect", *self.search_amounts) if self._has(name)), "")
        # As the list shows it: with a sign where the amount changes a balance.
        shown = self.formatter_for(self.model._meta.get_field(column)) if column else None  # type: ignore[attr-defined] # of LedgerAdmin
        parts: list[Any] = [shown(row)] if shown else []
        title = str(row)
        parts += [value for name in self._line_parts() if (value := getattr(row, name)) and value not in title]
        if self.search_time:
            moment = getattr(row, self.search_time)
            parts.append(f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}" if hasattr(moment, "hour") else str(moment))
        if issubclass(self.model, TenantOwned):
            parts.append(str(row.tenant))
        return format_html_join(" · ", "{}", ((part,) for part in parts))

    def _line_parts(self) -> list[str]:
        """What the search says of a row beside its amount and its time: without documents, of which JSON would stand there."""
        names = [*self.search_parts, *(column for name, columns in self.search_names().items() if name == "invoice" for column in columns)]
        documents = {field.name for field in self.model._meta.concrete_fields if isinstance(field, DocumentField)}
        return [name for name in dict.fromkeys(names) if name not in documents]

    # ---- the page

    def read_related(self, rows: list[Any]) -> None:
        """Read what the columns of these rows need beside them, in as many queries for all rows as for one. Subclasses override this."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LedgerChangeList]:
        return LedgerChangeList

    def get_paginator(self, request: HttpRequest, queryset: models.QuerySet, per_page: int, *args: Any, **kwargs: Any) -> SummingPaginator:
        found = SummingPaginator(queryset, per_page, *args, **kwargs)
        found.amount = self.sum_of if self.sum_of is not None else next(iter(self.search_amounts), "")
        if queryset.model is not self.model:
            # The entries of a row's history.
            found.amount = ""
            return found
        units = self.unit_columns()
        found.unit = Coalesce(*(NullIf(models.F(name), models.Value("")) for name in reversed(units)), models.Value("")) if units else None
        if not units:
            found.amount = ""
        elif self.sum_kind is not None:
            found.unit = Concat(found.unit, models.Value(KIND_SEPARATOR), self.sum_kind)
        return found


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
