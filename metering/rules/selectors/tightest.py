"""The limit of which the largest part is used."""

from typing import Any
from uuid import UUID

from kernel.ledger import queries
from metering.rules.choices import Measurement
from metering.rules.selectors.definitions import format_rule_id
from metering.selectors import RowDict

# For each limit, the group that has used most; a limit of 0 is used up. Reads as many rules as one tenant may have: of several tenants, the
# newest rules.
TIGHTEST = """
    SELECT rule.id AS rule_id, rule.numeric_id, rule.name, parameter.measurement_type, parameter.currency, parameter.limit_value, usage.used
    FROM (
        SELECT * FROM rules_spendingrule
        WHERE tenant_id = ANY (%s) AND status = 'active' AND rule_type = 'usage_limit'
        ORDER BY id DESC LIMIT 500
    ) AS rule
    CROSS JOIN LATERAL rules_read_usage(rule.tenant_id, rule.id, 1) AS usage
    JOIN rules_ruleparameter AS parameter ON parameter.tenant_id = rule.tenant_id AND parameter.id = usage.parameter_id
    WHERE (%s::text IS NULL OR parameter.measurement_type = %s) AND (%s::text IS NULL OR parameter.currency = %s)
    ORDER BY CASE WHEN parameter.limit_value = 0 THEN 1 ELSE usage.used / parameter.limit_value END DESC, rule.id
    LIMIT 1
"""
USD = "USD"


def get_tightest(*, tenant_ids: list[UUID], measurement: str | None = None, currency: str | None = None) -> RowDict | None:
    """The limit of these tenants' active rules of which one group has used the largest part; None where there is none.

    Columns: rule_id, formatted_id, name, measurement_type, currency, limit_value, used. `measurement`, `currency`: only such limits.
    """
    rows: list[Any] = queries.fetch_rows(TIGHTEST, [tenant_ids, measurement, measurement, currency, currency])
    return rows[0]._asdict() | {"formatted_id": format_rule_id(rows[0].numeric_id)} if rows else None


def get_spend_limit(*, tenant_id: UUID) -> RowDict:
    """The limit in USD of what calls cost in a window that is used most: limit_usd, window_spend_usd, rule_id, each None where none is."""
    found = get_tightest(tenant_ids=[tenant_id], measurement=Measurement.SUM_TRANSACTION_COSTS.value, currency=USD)
    if found is None:
        return {"limit_usd": None, "window_spend_usd": None, "rule_id": None}
    return {"limit_usd": found["limit_value"], "window_spend_usd": found["used"], "rule_id": found["rule_id"]}
