"""The table of a list: the same cells as Unfold's, without the thirty CSS classes that it repeats in each of them."""

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import DecimalField, IntegerField, Model
from django.template import Library
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from unfold.templatetags.unfold_list import result_headers
from unfold.utils import display_for_field, display_for_label, display_for_value

from kernel.base.empty_values import NO_AMOUNT, NOTHING
from kernel.base.unbroken_ids import with_unbroken_ids
from kernel.ledger.identifiers import with_short_ids

register = Library()
# Columns of amounts: see ReadOnly, which names the functions that format a column.
AMOUNT_COLUMNS = ("moneyfield-", "decimalfield-")
TICK = mark_safe('<span class="material-symbols-outlined ch-tick" title="Yes">check_small</span>')
# Characters of a word that a cell keeps in one line.
LONGEST_WORD = 20
CROSS = mark_safe('<span class="material-symbols-outlined ch-cross" title="No">close_small</span>')


@register.inclusion_tag("ledger/results.html", takes_context=True)
def ledger_results(context: Any, cl: Any) -> dict[str, Any]:
    """The table of a change list."""
    headers = list(result_headers(cl))
    for name, header in zip(cl.list_display, headers, strict=True):
        header["is_checkbox"] = "action-toggle" in str(header["text"])
        if _is_number(cl.model, name):
            header["class_attrib"] = format_html("{} ch-plain", header["class_attrib"])
        if isinstance(name, str) and hasattr(cl.model_admin, "label_of_column") and not header["is_checkbox"]:
            header["text"] = cl.model_admin.label_of_column(name)
    labels = ["" if header["is_checkbox"] else capfirst(header["text"]) for header in headers]
    preserved = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    return {
        "cl": cl,
        "headers": headers,
        "rows": [(row.pk, mark_safe("".join(_cells(cl, row, labels, preserved)))) for row in cl.result_list],  # noqa: S308 - of safe cells
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


def _cells(cl: Any, row: Any, labels: list[str], preserved: dict[str, Any]) -> Iterator[SafeString]:
    linked = next((name for name in cl.list_display if name != "action_checkbox"), None) if cl.list_display_links is not None else None
    for name, label in zip(cl.list_display, labels, strict=True):
        text = _text(cl, row, name)
        if text == NOTHING and getattr(name, "__name__", "").startswith(AMOUNT_COLUMNS):
            text = NO_AMOUNT
        if not label:
            yield format_html('<td class="ch-select" data-label="Select">{}</td>', text)
        elif name == linked or name in (cl.list_display_links or ()):
            yield format_html('<th scope="row" data-label="{}">{}</th>', label, _link(cl, row, text, preserved))
        elif _is_number(cl.model, name):
            yield format_html('<td class="ch-plain" data-label="{}">{}</td>', label, text)
        elif _is_one_word(text):
            yield format_html('<td class="ch-id" data-label="{}">{}</td>', label, text)
        else:
            yield format_html('<td data-label="{}">{}</td>', label, text)


@cache
def _is_number(model: type[Model], name: Any) -> bool:
    """Whether a column holds plain numbers, such as counts, which are aligned right as amounts are."""
    fields = {field.name: field for field in model._meta.concrete_fields}
    field = fields.get(name) if isinstance(name, str) else None
    return isinstance(field, IntegerField | DecimalField) and not field.choices and not field.primary_key


def _is_one_word(text: Any) -> bool:
    """A short word with a hyphen, such as a reference: a browser would break it there, and a list would have rows of three lines."""
    return isinstance(text, str) and "-" in text and len(text) <= LONGEST_WORD and not {" ", "<"} & set(text)


def _link(cl: Any, row: Any, text: Any, preserved: dict[str, Any]) -> Any:
    try:
        url = add_preserved_filters(preserved, cl.url_for_result(row))
    except NoReverseMatch:
        return text
    return format_html('<a href="{}">{}</a>', url, text)


def _text(cl: Any, row: Any, name: Any) -> Any:
    empty = cl.model_admin.get_empty_value_display()
    try:
        field, attribute, value = lookup_field(name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return empty
    if field is not None and field.is_relation:
        related = getattr(row, field.name)
        value, field = related and with_unbroken_ids(with_short_ids(str(related))), None
    if isinstance(value, bool):
        return TICK if value else CROSS
    # What somebody wrote stays whole; a reference is one word.
    if isinstance(value, str) and not isinstance(value, SafeString) and " " not in value and (short := with_short_ids(value)) != value:
        return format_html('<span title="{}">{}</span>', value, short)
    if field is not None and not field.auto_created:
        shown = display_for_field(value, field, empty)
        return format_html('<span class="ch-day">{}</span>', shown) if type(value) is date else shown
    if label := getattr(attribute, "label", None):
        return display_for_label(value, empty, label)
    return display_for_value(value, getattr(attribute, "empty_value_display", empty))
