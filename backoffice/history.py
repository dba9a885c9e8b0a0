"""The history of settings in words, and the panel on a row's page that lists who changed it."""

from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import models
from django.utils.text import capfirst

from backoffice.models import Change
from kernel.ledger.admin.formatting import actor_names, joined, json_block, register_former_names
from kernel.ledger.admin.links import Panel, register_panel
from kernel.ledger.money import trimmed_digits
from kernel.tenants.admin import local_time
from kernel.tenants.field_labels import label_of
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


def difference_of(change: Change) -> Any:
    """Each value before and after. Of a row that was made or deleted: all of them, folded."""
    if change.operation != "UPDATE":
        return json_block(change.after or change.before, "its values")
    old, new = change.before or {}, change.after or {}
    model = model_of(change.table)
    labels = {field.column: label_of(field) for field in model._meta.concrete_fields} if model else {}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return joined(
        f"{capfirst(labels.get(name, name))}: {_value(old.get(name))} → {_value(new.get(name))}" for name in names if name not in UNSAID
    )


# When and by whom stands beside it.
UNSAID = {"updated_at", "updated_by", "actor"}


def _value(value: Any) -> str:
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return trimmed_digits(Decimal(str(value))) if isinstance(value, float) else str(value)


register_former_names(former_names)
for _label in RECORDED:
    register_panel(_label, changes_panel)
