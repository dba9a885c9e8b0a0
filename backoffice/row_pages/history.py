"""The history of settings in words, and the panel on a row's page that lists who changed it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import models
from django.utils.dateparse import parse_datetime, parse_duration
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst

from backoffice.models import Change
from kernel.base.empty_values import NOTHING
from kernel.base.field_labels import label_of
from kernel.base.local_time import local_time
from kernel.ledger.admin.formatting import Html, actor_names, duration, id_link, joined, register_former_names, shortened
from kernel.ledger.admin.panels import Panel, register_panel
from kernel.ledger.identifiers import code_in_words
from kernel.ledger.money import PLACES, in_words, trimmed_digits
from kernel.tenants.staff_scope import VisibleTenants

# Changes shown on a row's page; the list of changes has all of them.
MAX_CHANGES = 20
OPERATIONS = {"INSERT": "made", "UPDATE": "changed", "DELETE": "deleted"}
# What the record leaves out on purpose (backoffice/migrations): a change of nothing else is a change of this.
HIDDEN = {"auth_user": "password changed", "tenants_apikey": "secret changed", "events_endpoint": "headers changed"}
# The models whose changes are recorded (backoffice/migrations).
RECORDED = (
    "tenants.tenant",
    "tenants.apikey",
    "tenants.staffprofile",
    "billing.policy",
    "billing.transactiontype",
    "billing.wallet",
    "metering.policy",
    "metering.price",
    "metering.unitprice",
    "metering.agent",
    "metering.usagekey",
    "corrections.correctionthreshold",
    "events.endpoint",
    "credits.policy",
    "credits.balancealert",
    "credits.recurringgrant",
    "paying.payersetting",
    "backoffice.customer",
)


def changes_panel(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    changes = list(Change.objects.filter(table=row._meta.db_table, row=str(row.pk)).order_by("-id")[:MAX_CHANGES])
    names = actor_names(change.actor for change in changes)
    rows = [
        (
            local_time(change.at),
            names[change.actor] or f"database user {change.database_user}",
            operation_of(change),
            difference_of(change),
        )
        for change in changes
    ]
    return Panel("History", ("When", "Who", "What", "Difference"), rows) if rows else None


def former_names(identifiers: set[str]) -> dict[str, str]:
    """The names of staff accounts that were deleted, from the history of accounts."""
    gone = Change.objects.filter(table="auth_user", row__in=identifiers, operation="DELETE").order_by("id")
    return {
        row: " ".join(filter(None, (before["first_name"], before["last_name"]))) or before["username"]
        for row, before in gone.values_list("row", "before")
        if before is not None
    }


def model_of(table: str) -> type[models.Model] | None:
    """The model of a table; None for one that no longer has any."""
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def operation_of(change: Change) -> str:
    """`made`, `changed` or `deleted`; of a change whose values aren't recorded, what it was."""
    if change.operation == "UPDATE" and change.before == change.after:
        return HIDDEN.get(change.table, "changed: the value isn't recorded")
    return OPERATIONS.get(change.operation, change.operation)


def difference_of(change: Change) -> Html:
    """Each value before and after. Of a row that was made or deleted: what it has, folded."""
    old, new = change.before or {}, change.after or {}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name) and name not in NOT_SHOWN]
    fields = _fields(change.table)
    if change.operation != "UPDATE":
        either = old or new
        lines = ((_column(fields, name), _value(fields.get(name), either, name)) for name in names if name != "id")
        values = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", ((label, value) for label, value in lines if value != NOTHING))
        return format_html('<details class="ch-json"><summary>its values</summary><dl class="ch-values">{}</dl></details>', values)
    parts = ((_column(fields, name), _value(fields.get(name), old, name), _value(fields.get(name), new, name)) for name in names)
    return joined(format_html("{}: {} → {}", *part) for part in parts)


# When and by whom stands beside it.
NOT_SHOWN = {"updated_at", "updated_by", "actor"}
# Where a row has the currency or metric of its amounts.
UNITS = ("currency", "unit", "max_currency", "metric_id")


def _fields(table: str) -> dict[str, models.Field]:
    model = model_of(table)
    return {str(field.column): field for field in model._meta.concrete_fields} if model else {}


def _column(fields: dict[str, models.Field], name: str) -> str:
    return capfirst(label_of(fields[name])) if name in fields else code_in_words(name)


def _value(field: models.Field | None, row: Mapping[str, Any], name: str) -> Any:
    """The value of a column as other pages show it: amounts as money, times in the reader's zone, choices by their labels."""
    value = row.get(name)
    if value in (None, "", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if field is not None and field.choices:
        return dict(field.flatchoices).get(value, value)
    return _of_kind(field, value, row) or shortened(str(value))


def _of_kind(field: models.Field | None, value: Any, row: Mapping[str, Any]) -> Any:
    """The value by the kind of its column; None for text and whole numbers."""
    match field:
        case models.DecimalField() if field.decimal_places == PLACES:
            return in_words(Decimal(str(value)), next((row[unit] for unit in UNITS if row.get(unit)), ""))
        case models.DateTimeField():
            return local_time(parse_datetime(str(value)))
        case models.DurationField():
            return duration(parse_duration(str(value)))
        case models.ForeignKey():
            return id_link(field.related_model._meta.label_lower, value)
    return trimmed_digits(value) if isinstance(value, Decimal) else None


register_former_names(former_names)
for _label in RECORDED:
    register_panel(_label, changes_panel)
