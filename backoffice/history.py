"""The panel on a row's page that lists who changed it, from the history of settings."""

from typing import Any

from backoffice.models import Change
from kernel.ledger.admin.formatting import actor_names, json_block, register_former_names
from kernel.ledger.admin.links import Panel, register_panel
from kernel.tenants.admin import local_time
from kernel.tenants.staff_scope import VisibleTenants

# Changes shown on a row's page; the list of changes has all of them.
MAX_CHANGES = 20
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
            change.operation.lower(),
            json_block(_difference(change.before, change.after), "what changed"),
        )
        for change in changes
    ]
    return Panel("History", ("When", "Who", "Operation", "Difference"), rows) if rows else None


def former_names(identifiers: set[str]) -> dict[str, str]:
    """The names of staff accounts that were deleted, from the history of accounts."""
    gone = Change.objects.filter(table="auth_user", row__in=identifiers, operation="DELETE").order_by("id")
    return {
        row: " ".join(filter(None, (before["first_name"], before["last_name"]))) or before["username"]
        for row, before in gone.values_list("row", "before")
        if before is not None
    }


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: {"from": old.get(name), "to": new.get(name)} for name in names}


register_former_names(former_names)
for _label in RECORDED:
    register_panel(_label, changes_panel)
