"""Reads of what is used of a rule's limits, now."""

import json
from decimal import Decimal
from uuid import UUID

from kernel.ledger import queries
from metering.rules.models import RuleParameter
from metering.rules.selectors.executions import named_group
from metering.selectors import RowDict, rows_of

USAGE = "SELECT * FROM rules_read_usage(%s, %s, %s)"


def list_usage(*, tenant_id: UUID, rule_id: UUID, at_most: int = 100) -> list[RowDict]:
    """What is used of each windowed limit of a rule, for the `at_most` groups that have used most.

    `window_end`: null for rolling windows. `resets_at`: when the window is empty if nothing more is spent; `next_at`: when its oldest entry
    leaves; `tightest_at`: its newest entry, since when no less was left than now. Null where nothing is in the window, or where it isn't
    rolling. A paused rule's limits may have no measure any more; they are left out.
    """
    names = ("id", "parameter_name", "measurement_type", "currency", "group_by", "limit_value", "interval_value", "interval_unit")
    current = RuleParameter.objects.filter(tenant_id=tenant_id, rule_id=rule_id, removed_at=None)
    parameters = {parameter["id"]: parameter for parameter in rows_of(current.values(*names))}
    rows = queries.fetch_rows(USAGE, [tenant_id, rule_id, at_most])
    return [_usage(parameters[row.parameter_id], row) for row in rows]


def _usage(parameter: RowDict, row: RowDict) -> RowDict:
    values = json.loads(row.group_key) if row.group_key else None
    return {
        "parameter_id": parameter["id"],
        **{name: parameter[name] for name in ("parameter_name", "measurement_type", "currency", "interval_value", "interval_unit")},
        "limit_value": parameter["limit_value"],
        "group": named_group(parameter["group_by"], values),
        "used": row.used,
        "remaining": max(parameter["limit_value"] - row.used, Decimal(0)),
        "window_start": row.tail_at,
        "window_end": row.ends_at,
        "resets_at": row.empty_at if row.newest_at or row.ends_at else None,
        "next_at": row.next_at,
        "tightest_at": row.newest_at,
    }
