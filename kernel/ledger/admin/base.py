"""The pages of a row of a ledger: lists that open at once, a detail page that tells the row's story, doors to correct it."""

import functools
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin, checkbox

from kernel.corrections.choices import State
from kernel.corrections.kinds import Kind, kinds_for
from kernel.corrections.selectors import requests_about
from kernel.ledger.admin.filters import MomentRangeFilter, WindowFilter
from kernel.ledger.admin.formatting import actor_names, json_block, label, money, origin, row_link, short
from kernel.ledger.admin.links import Section, crossings, doors
from kernel.ledger.admin.paging import EstimatingPaginator
from kernel.ledger.base_models import LedgerRow, TenantOwned
from kernel.ledger.money import MoneyField
from kernel.tenants.admin import PlainChangeList, ReadOnly, local_time
from kernel.tenants.models import Tenant
from kernel.tenants.staff import scope_of

PLACE = "the-rows-own-id"
ASK = "corrections.ask_correctionrequest"
ASK_PAGE = "admin:corrections_correctionrequest_ask"
# A searched value may stand in many rows of many books; nobody reads further.
MOST_MATCHES = 1000
STATE_COLOURS = {State.WAITING: "wait", State.POSTED: "good", State.REJECTED: "bad", State.WITHDRAWN: ""}


class NamedChangeList(PlainChangeList):
    """With the names of who wrote the page's rows, read together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        names = actor_names(row.actor for row in rows if hasattr(row, "actor"))
        for row in rows:
            row.actor_name = names.get(getattr(row, "actor", ""))
        self.result_list = rows


class LedgerAdmin(ReadOnly, ModelAdmin):
    """Pages of an append-only table, newest first. A subclass names `list_display`; what else it may name:

    `search_fields`: columns searched for exactly what was typed, each with an index (no prefixes, no substrings). `currency_path`: where a
    row's currency is (`currency`, or through a relation `grant.currency`). `icon`: its Material symbol in the sidebar. `story`: the
    sections of its detail page.
    """

    paginator = EstimatingPaginator
    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    list_filter_sheet = True
    list_filter_submit = True
    # UUIDv7 is in order of making, and every table has an index that begins with it.
    ordering = ("-id",)
    search_fields: tuple[str, ...] = ("id",)
    currency_path = "currency"
    icon = "receipt_long"
    # False for tables that are read on another row's page.
    in_sidebar = True

    @property
    def search_help_text(self) -> str:
        return (
            f"Exactly this {' or '.join(self.model._meta.get_field(name.partition('__')[0]).verbose_name for name in self.search_fields)}"
        )

    @admin.display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: models.Model) -> str:
        return mark_safe(_checkbox().replace(PLACE, str(obj.pk)))  # noqa: S308 - an id

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NamedChangeList]:
        return NamedChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """A list shows the end of an id, which tells rows apart; all of it is on the row's page and in the tooltip."""
        return [short_id if name == "id" else name for name in super().get_list_display(request)]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """A table of facts begins with a window of time, and can be narrowed to any other."""
        chosen = list(super().get_list_filter(request))
        if not issubclass(self.model, LedgerRow):
            return chosen
        return [WindowFilter, ("created_at", MomentRangeFilter), *chosen]

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet, search_term: str) -> tuple[models.QuerySet, bool]:
        """Rows with exactly this value in one of the columns. The indices begin with the tenant, so each tenant is probed once."""
        term = search_term.strip()
        if not term:
            return queryset, False
        rows = self.get_queryset(request).order_by()
        condition = models.Q(pk__in=[])
        for name in self.search_fields:
            condition |= self._matching(rows, name, term)
        return queryset.filter(condition), False

    def _matching(self, rows: models.QuerySet, name: str, term: str) -> models.Q:
        """The rows with this value in a column, by their ids. So frequent a value that it isn't worth it is met soon from the newest on."""
        if not _can_equal(rows, name, term):
            return models.Q(pk__in=[])
        probed = rows if name == "id" or not issubclass(self.model, TenantOwned) else rows.filter(tenant__in=Tenant.objects.all())
        matches = list(probed.filter(**{name: term}).values_list("pk", flat=True)[: MOST_MATCHES + 1])
        return models.Q(**{name: term}) if len(matches) > MOST_MATCHES else models.Q(pk__in=matches)

    def shown_as(self, field: models.Field) -> Callable[[Any], Any] | None:
        if isinstance(field, MoneyField):
            return lambda row: money(getattr(row, field.attname), self.currency_of(row))
        if field.name == "actor":
            return lambda row: getattr(row, "actor_name", None) or actor_names([row.actor])[row.actor]
        if field.name == "request_id":
            return lambda row: origin(row.request_id)
        return super().shown_as(field)

    def currency_of(self, row: models.Model) -> str:
        """The row's currency code, empty where it has none."""
        found: Any = row
        for name in self.currency_path.split("."):
            found = getattr(found, name, "")
        return found or ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"doors": doors(self.model._meta.label_lower, request.user), **(extra_context or {})})

    # ---- corrections

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each kind of correction that takes a selection of these rows, for those who may ask for one."""
        actions: dict[str, Any] = super().get_actions(request)
        if not request.user.has_perm(ASK):
            return actions
        kinds = [kind for kind in kinds_for(self.model._meta.label_lower) if kind.takes_many]
        return actions | {f"correct_{kind.code}": (_action(kind), f"correct_{kind.code}", f"{kind.title} the selected …") for kind in kinds}

    def doors(self, request: HttpRequest, row: Any) -> list[dict[str, str]]:
        """What can be done from a row's page: each kind of correction that fits it."""
        settings = doors(self.model._meta.label_lower, request.user, row)
        if not request.user.has_perm(ASK):
            return settings
        return settings + [
            {
                "title": kind.title,
                "icon": kind.icon,
                "address": f"{reverse(ASK_PAGE)}?{urlencode({'kind': kind.code, 'row': row.pk})}",
            }
            for kind in kinds_for(self.model._meta.label_lower)
            if kind.fits(row)
        ]

    # ---- the detail page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The row's page. There is nothing to send to it."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(row),
            "opts": self.opts,
            "original": row,
            "facts": self.facts(row),
            "doors": self.doors(request, row),
            "sections": [
                *self.story(request, row),
                *crossings(self.model._meta.label_lower, row, request.user, scope_of(request.user)),
                *self._corrections(row),
            ],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "ledger/row.html", context)

    def facts(self, row: Any) -> list[tuple[str, Any, bool]]:
        """Every field with its name and how it is shown; the last says whether it needs the page's width."""
        return [self._fact(row, name) for name in self.fields or _field_names(self.model)]

    def _fact(self, row: Any, name: str) -> tuple[str, Any, bool]:
        shown = self.column(name)
        if callable(shown):
            return _title(shown, name), shown(row), False
        if hasattr(self, name):
            method = getattr(self, name)
            return _title(method, name), method(row), False
        field = self.model._meta.get_field(name)
        title = str(getattr(field, "verbose_name", name))
        if field.is_relation:
            return title, row_link(getattr(row, name)), False
        value = getattr(row, name)
        if isinstance(field, models.JSONField) or _is_document(field):
            return title, json_block(value, title), True
        return title, _plain(row, field, value), False

    def story(self, request: HttpRequest, row: Any) -> list[Section]:
        """What a reader wants to know of a row besides its fields."""
        return []

    def _corrections(self, row: Any) -> list[Section]:
        if not kinds_for(self.model._meta.label_lower):
            return []
        found = list(requests_about(tenant_id=row.tenant_id, target_ids=[row.pk])[:20])
        if not found:
            return []
        names = actor_names(request.asked_by for request in found)
        rows = [
            (
                row_link(request),
                label(request.get_state_display(), STATE_COLOURS[State(request.state)]),
                request.reason,
                names[request.asked_by],
                local_time(request.created_at),
            )
            for request in found
        ]
        return [Section("Corrections of this row", ("Request", "State", "Reason", "Asked by", "Asked"), rows)]


@functools.cache
def _checkbox() -> str:
    """A row's checkbox with PLACE for its id: the widget is a template of its own, and costs a tenth of a page if each row renders it."""
    return str(checkbox.render(ACTION_CHECKBOX_NAME, PLACE))


@admin.display(description="id")
def short_id(row: Any) -> Any:
    return format_html('<span title="{}">{}</span>', row.pk, short(row.pk))


def _action(kind: Kind) -> Callable[..., HttpResponse]:
    def correct(page: LedgerAdmin, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse:
        # The requests' own pages are above this one.
        from kernel.corrections.admin.request_views import ask_about  # noqa: PLC0415

        return ask_about(request, kind=kind, rows=queryset)

    return correct


def _field_names(model: type[models.Model]) -> list[str]:
    """All that a row holds, in the model's order; bytes are digests, which tell a reader nothing and a thief something."""
    return [field.name for field in model._meta.concrete_fields if not isinstance(field, models.BinaryField)]


def _title(shown: Any, name: str) -> str:
    return str(getattr(shown, "short_description", name.replace("_", " ")))


def _is_document(field: models.Field) -> bool:
    """JSON that is kept as the text it came in."""
    return type(field).__name__ == "DocumentField" or field.name in {"metadata", "facts", "cost_details"}


def _plain(row: Any, field: models.Field, value: Any) -> Any:
    if value in (None, "", []):
        return "-"
    if field.choices and not isinstance(value, list):
        return getattr(row, f"get_{field.name}_display")()
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return ", ".join(str(part) for part in value) if isinstance(value, list) else value


def _can_equal(queryset: models.QuerySet, name: str, term: str) -> bool:
    """Whether a column of this type can hold the term at all: an id column refuses what is no UUID."""
    try:
        queryset.filter(**{name: term})
    except (ValidationError, ValueError, TypeError):
        return False
    return True
