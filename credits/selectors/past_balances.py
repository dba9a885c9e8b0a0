"""Balances at any past instant: by what was booked by then (Clock.BOOK), or by what had happened by then (Clock.WORLD).

They don't wait for postings in flight: who calls them for an answer that must not change waits first (past_reads.wait_for_postings_before).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from credits.selectors.balances import TYPES, balance_of, with_unit
from credits.selectors.grants import GRANT_FIELDS
from kernel.ledger import queries
from kernel.ledger.clocks import Clock
from kernel.ledger.errors import NotFound

# Without an instant everything booked counts, and the present decides which holds are overdue and which grants are in force.
ALWAYS = "infinity"
COLUMNS = ", ".join(f"grant_row.{name}" for name in GRANT_FIELDS if name not in {"balance", "held", "status"})
# `usable`: the balance of a grant that a debit on that day could draw on, with what holds reserve of it. What is left of a grant past its
# last day isn't, even if no job has expired it yet.
BALANCES = f"""
    SELECT {COLUMNS}, past.balance, past.held,
           CASE WHEN grant_row.closed_at <= %s::timestamptz THEN grant_row.status
                WHEN credits_is_over(grant_row.expiry_date, day.day) THEN 'expired' ELSE 'open' END AS status,
           CASE WHEN day.day >= grant_row.effective_date AND NOT credits_is_over(grant_row.expiry_date, day.day) THEN past.balance
                ELSE 0 END AS usable
    FROM credits_grant grant_row
    CROSS JOIN (SELECT instant, ledger_day(instant) AS day FROM (SELECT coalesce(%s::timestamptz, ledger_now()) AS instant) present) day
    CROSS JOIN LATERAL credits_balances_at(grant_row, %s::timestamptz, day.instant, %s) past
    WHERE grant_row.tenant_id = %s AND (grant_row.created_at <= %s::timestamptz OR %s = 'world')
"""  # noqa: S608 - names of columns, from a constant
TOTALS = f"""
    SELECT unit_type, CASE unit_type WHEN 'METRIC' THEN metric_id ELSE currency END AS unit, count(*) AS grants, sum(balance) AS balance,
           sum(held) AS held, sum(usable) AS usable
    FROM ({BALANCES}) balances
    WHERE balance > 0
    GROUP BY 1, 2
    ORDER BY 1, 2
"""  # noqa: S608 - the query above


def grant_balance_at(*, tenant_id: UUID, grant_id: UUID, at: datetime | None = None, clock: str = Clock.BOOK) -> dict[str, Any]:
    """A grant with its balance at an instant. Raises NotFound, also where the grant did not exist yet."""
    rows = queries.fetch_rows(f"{BALANCES} AND grant_row.id = %s", [*_parameters(tenant_id, at, clock), grant_id])
    if not rows:
        raise NotFound(kind="grant", id=grant_id)
    grant: dict[str, Any] = rows[0]._asdict()
    return grant


def customer_balance_at(*, tenant_id: UUID, customer_id: str, at: datetime | None = None, clock: str = Clock.BOOK) -> list[dict[str, Any]]:
    """One balance for each currency and metric that the customer could draw on at an instant, with its grants."""
    rows = queries.fetch_rows(f"{BALANCES} AND grant_row.customer_id = %s", [*_parameters(tenant_id, at, clock), customer_id])
    grants = [with_unit(row._asdict()) for row in rows if row.usable > 0]
    units = sorted({(grant["type"], grant["unit"]) for grant in grants})
    return [balance_of(unit, [grant for grant in grants if (grant["type"], grant["unit"]) == unit], counted="usable") for unit in units]


def tenant_balance_at(*, tenant_id: UUID, at: datetime | None = None, clock: str = Clock.BOOK) -> list[dict[str, Any]]:
    """What a tenant owed its customers at an instant: for each currency and metric how many grants, their balance and the usable part."""
    return [{**row._asdict(), "type": TYPES[row.unit_type]} for row in queries.fetch_rows(TOTALS, _parameters(tenant_id, at, clock))]


def _parameters(tenant_id: UUID, at: datetime | None, clock: str) -> list[Any]:
    booked_by = at or ALWAYS
    return [booked_by, at, booked_by, str(clock), tenant_id, booked_by, str(clock)]
