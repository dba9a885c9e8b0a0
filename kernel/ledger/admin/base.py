"""The base class of every ledger table's admin: a read-only list that is fast at any size, and a page for each row."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from kernel.base.empty_values import NOTHING
from kernel.ledger.admin.field_filters import chosen_columns
from kernel.ledger.admin.formatting import (
    Html,
    actor_names,
    coded,
    effect,
    id_link,
    in_plain_words,
    json_block,
    money,
    origin,
    row_link,
    short,
    shortened,
)
from kernel.ledger.admin.lists import PEOPLE, LedgerList
from kernel.ledger.admin.panels import Panel, registered_panels
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.identifiers import with_short_ids
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import PLACES, MoneyField, in_words
from kernel.tenants.admin.read_only import ReadOnly
from kernel.tenants.staff_scope import scope_of

# Fields that a row's page folds, with those that are empty.
TECHNICAL = {
    *("id", "request_id", "idempotency_key", "duplicate_bucket", "shard", "digest", "file_digest", "plan_digest", "key_id", "chosen_by"),
    *("authorization_id", "settlement_id", "tail_at", "seeded_down_to"),
}
# What a row's page begins with: how much, whose, when, why, in which state, and what is left.
ANSWER = (
    *("effect", "amount", "fiat_amount", "original_amount", "balance", "taken", "captured", "unpaid", "settled_amount"),
    *("customer_id", "agent_id", "agent", "pay_to", "tenant", "actor", "occurred_at", "created_at"),
    *("type", "kind", "service", "action_name", "resource_name", "reference_id", "invoice_id", "reason_code", "reason", "decline_reason"),
    *("status", "state", "outcome", "is_active", "reversed_amount", "balance_after", "held", "held_after", "captured_after"),
)
# Said by another field of the same page: the signed change says the amount and its direction, and each amount its unit.
SAID_BY = {"amount": "effect", "direction": "effect", "currency": "amount", "fiat_asset_symbol": "fiat_amount", "unit_type": "balance"}


class LedgerAdmin(LedgerList, ReadOnly, ModelAdmin):
    """Pages of an append-only table, newest first. A subclass names `list_display`; what else it may name:

    `search_fields`, `search_parts` and what else concerns the list: see LedgerList.
    `currency_path`: where a row's currency is (`currency`, or through a relation `grant.currency`). `icon`: its Material symbol in the
    sidebar. `panels`: the tables on a row's page.
    """

    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    list_filter_sheet = True
    list_filter_submit = True
    # UUIDv7 sorts by creation time, and every table has an index that begins with it.
    ordering: tuple[str, ...] = ("-id",)
    search_fields: tuple[str, ...] = ("id",)
    currency_path = "currency"
    icon = "receipt_long"
    # Columns that hold ids of another table's rows without being references, and that table's model.
    links: Mapping[str, str] = {}
    # Text columns that hold codes of our own, which are shown in words.
    codes: tuple[str, ...] = ()
    # Text fields that hold JSON.
    json_fields: tuple[str, ...] = ()
    # Fields that a row's page folds beside TECHNICAL.
    technical: tuple[str, ...] = ()
    # Whether a row's page folds what is empty, as pages of a ledger's rows do. Of a setting, what is empty says something.
    folds_empty = False
    # The page of a row: ledger/row.html, or one that extends it.
    row_template = "ledger/row.html"
    # False for tables whose rows are shown on another row's page.
    in_sidebar = True

    @admin.display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: models.Model) -> str:
        # Unfold's own has a thousand bytes of classes, and rendering its widget for each row takes a tenth of the page's time.
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="Select">', ACTION_CHECKBOX_NAME, obj.pk
        )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """A list shows the last characters of an id, which differ between rows; the tooltip and the row's page show all of it."""
        names = chosen_columns(request, self) or super().get_list_display(request)
        short_columns = {"id": short_id, "reference_id": short_reference}
        return [short_columns[name] if name in short_columns else self.column(name) for name in names]

    def formatter_for(self, field: models.Field) -> Callable[[Any], Any] | None:
        if field.name == "effect":
            return lambda row: effect(row.effect, self.currency_of(row))
        # Sums of money are wider than MoneyField.
        if isinstance(field, MoneyField) or (isinstance(field, models.DecimalField) and field.decimal_places == PLACES):
            return lambda row: money(getattr(row, field.attname), self.currency_of(row))
        return self._formatter_by_name(field) or in_plain_words(field) or super().formatter_for(field)

    def _formatter_by_name(self, field: models.Field) -> Callable[[Any], Any] | None:
        """Of people, requests, codes and ids of other tables' rows."""
        if field.name in PEOPLE:
            return lambda row: _name_of(row, getattr(row, field.name)) or NOTHING
        if field.name == "request_id":
            return lambda row: origin(row.request_id)
        if field.name in self.codes:
            return lambda row: coded(getattr(row, field.attname))
        if field.name in self.links:
            return lambda row: id_link(self.links[field.name], getattr(row, field.attname))
        return None

    def title_of(self, row: Any) -> str:
        """The row's own name; the amount at its end gets the unit, which may stand in another row that a name doesn't read."""
        title, amount = str(row), getattr(row, "amount", None)
        if not isinstance(amount, Decimal) or not title.endswith(f" {in_words(amount)}"):
            return title
        return title.removesuffix(in_words(amount)) + in_words(amount, self.currency_of(row))

    def currency_of(self, row: models.Model) -> str:
        """The row's currency code or metric, empty where it has none."""
        value: Any = row
        for name in self.currency_path.split("."):
            value = getattr(value, name, "")
        return value or getattr(row, "metric_id", "") or ""

    def has_manage_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may change the settings of this model (`setting_action`)."""
        return request.user.has_perm(f"{self.opts.app_label}.manage_{self.opts.model_name}")

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the user may decide what waits for a person (`setting_action` with the right `decide`)."""
        return request.user.has_perm(f"{self.opts.app_label}.decide_{self.opts.model_name}")

    def action_links(self, request: HttpRequest, row: Any) -> list[dict[str, str]]:
        """The buttons on a row's page, each with `title`, `icon` and `url`: those of `actions_detail` that the user may use."""
        return [
            {"title": action.description, "icon": action.icon or "", "url": reverse(f"admin:{action.action_name}", args=(row.pk,))}
            for action in self.get_actions_detail(request, row.pk)
        ]

    # ---- the page of a row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a row. It accepts no POST: nothing is edited here."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        self.read_related([row])
        title = with_short_ids(self.title_of(row))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": TitledRow(row, title),
            "lead": self.lead(row),
            "cautions": self.cautions(row),
            **self.page_fields(row),
            "action_links": self.action_links(request, row),
            "panels": self.all_panels(request, row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.row_template, context)

    def page_fields(self, row: Any) -> dict[str, Any]:
        """Name, value and width of each field. `fields`: what people read, of a ledger's row the answer first; `technical`: ids, keys, what
        is empty and what another field says, which pages fold."""
        names = list(self.fields or _field_names(self.model))
        values = dict(zip(names, self.field_values(row), strict=True))
        is_entry = issubclass(self.model, LedgerRow)
        # A request id that leads to the correction or the run that made the row is more than technical.
        technical = {name for name in names if name in TECHNICAL and (name == "chosen_by" or not isinstance(values[name][1], SafeString))}
        technical |= {name for name in names if name in self.technical}
        folds_empty = is_entry or self.folds_empty
        if folds_empty:
            technical |= {name for name in names if values[name][1] in (None, NOTHING)}
        if is_entry:
            technical |= {name for name in names if SAID_BY.get(name) in names}
        if not self.fields and (is_entry or {"amount", "balance", "effect"} & set(names)):
            names.sort(key=lambda name: ANSWER.index(name) if name in ANSWER else len(ANSWER))
        return {
            "fields": [values[name] for name in names if name not in technical],
            "technical": [values[name] for name in names if name in technical],
            "folds_empty": folds_empty,
        }

    def field_values(self, row: Any) -> list[tuple[str, Any, bool]]:
        """Every field: its name, its formatted value, and whether it takes the full width of the page."""
        return [self._field_value(row, name) for name in self.fields or _field_names(self.model)]

    def _field_value(self, row: Any, name: str) -> tuple[str, Any, bool]:
        column = self.column(name)
        if callable(column):
            return self.label_of_column(name), column(row), False
        field = {field.name: field for field in self.model._meta.concrete_fields}.get(name)
        if field is None:
            # A method of this class. Fields come first: some have the name of an attribute of ModelAdmin.
            return self.label_of_column(name), getattr(self, name)(row), False
        title = self.label_of(field)
        if field.is_relation:
            return title, row_link(getattr(row, name)), False
        value = getattr(row, name)
        if isinstance(field, models.JSONField | DocumentField) or name in self.json_fields:
            return title, json_block(value, title), True
        return title, _plain(row, field, value), False

    def lead(self, row: Any) -> list[str]:
        """Sentences that say what the row means, above its fields. Subclasses override this."""
        return []

    def cautions(self, row: Any) -> list[str]:
        """Sentences that warn the reader, below those of `lead`. Subclasses override this."""
        return []

    def panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        """The tables below the fields. Subclasses override this."""
        return []

    def all_panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        """The subclass's panels, then those that other apps registered for this model."""
        return [*self.panels(request, row), *registered_panels(self.model._meta.label_lower, row, request.user, scope_of(request.user))]


class TitledRow:
    """A row whose text is the title of its page: the path above the page ends with the text of the row."""

    def __init__(self, row: Any, title: str) -> None:
        self._row, self._title = row, title

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)

    def __str__(self) -> str:
        return self._title


def _name_of(row: Any, actor: str) -> Any:
    """The name that the list has read, or reads it for a row's own page."""
    if not actor:
        return NOTHING
    people = getattr(row, "people", {})
    return people[actor] if actor in people else actor_names([actor])[actor]


@admin.display(description="ID", ordering="id")
def short_id(row: Any) -> Html:
    return format_html('<span title="{}">{}</span>', row.pk, short(row.pk))


@admin.display(description="reference")
def short_reference(row: Any) -> Html:
    whole = row.reference_id or NOTHING
    return shortened(whole)


def _field_names(model: type[models.Model]) -> list[str]:
    """The fields of a model in its own order, without binary ones: those are digests, which must not be shown."""
    return [field.name for field in model._meta.concrete_fields if not isinstance(field, models.BinaryField)]


def _plain(row: Any, field: models.Field, value: Any) -> Any:
    if value in (None, "", []):
        return NOTHING
    if field.choices and not isinstance(value, list):
        return getattr(row, f"get_{field.name}_display")()
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return shortened(value) if isinstance(value, str) and field.name not in TECHNICAL else value
