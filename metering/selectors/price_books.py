"""A tenant's prices with all that decides how they apply, in one query: what prices many calls at once."""

from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.ledger import queries
from metering.selectors.prices import PRICE, UNIT_PRICE
from metering.selectors.rows import RowDict

# JSON as its text, as the ORM has it here.
UNIT_COLUMNS = ("unit.tiers::text" if name == "tiers" else f"unit.{name}" for name in UNIT_PRICE)
# A row for each unit of a price; one row for a price without units, and one without a price for a tenant that has none.
BOOK = f"""
SELECT now(), policy.reported_costs, policy.prices_self_hosted,
    {", ".join(f"price.{name}" for name in PRICE)}, {", ".join(UNIT_COLUMNS)}
FROM (SELECT) AS always
LEFT JOIN metering_policy AS policy ON policy.tenant_id = %(tenant)s
LEFT JOIN metering_price AS price ON price.tenant_id = %(tenant)s
    AND price.valid_from <= greatest(%(until)s::timestamptz, now())
    AND (price.valid_to IS NULL OR price.valid_to > least(%(since)s::timestamptz, now()))
LEFT JOIN metering_unitprice AS unit ON unit.tenant_id = %(tenant)s AND unit.price_id = price.id
ORDER BY price.id, unit.id
"""  # noqa: S608 - made of constants
BEFORE = 3


def get_price_book(*, tenant_id: UUID, since: datetime | None, until: datetime | None) -> RowDict:
    """`prices`: those that are valid now, or at any moment from `since` to `until`, each as selectors.list_prices has it; `now`: the
    database's time; `reported_costs` and `prices_self_hosted` of the policy, null without one."""
    rows = queries.fetch_rows(BOOK, {"tenant": tenant_id, "since": since, "until": until})
    prices: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        price = dict(zip(PRICE, row[BEFORE:], strict=False))
        if price["id"] is None:
            continue
        units = prices.setdefault(price["id"], price | {"units": []})["units"]
        unit = dict(zip(UNIT_PRICE, row[BEFORE + len(PRICE) :], strict=True))
        if unit["fact_key"] is not None:
            units.append(unit)
    now, reported_costs, prices_self_hosted = rows[0][:BEFORE]
    return {"now": now, "reported_costs": reported_costs, "prices_self_hosted": prices_self_hosted, "prices": list(prices.values())}
