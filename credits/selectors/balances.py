"""Reading the balances and the grants that a customer can draw on."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import F, QuerySet, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import RowNumber

from credits.choices import BalanceType, UnitType
from credits.models import CreditTransaction
from credits.selectors.grants import GRANT_FIELDS
from credits.selectors.transactions import TRANSACTION_FIELDS
from kernel.ledger import queries
from kernel.ledger.money import MoneyField
from kernel.ledger.prepared_queries import is_one_of, prepared

# How many transactions a balance is returned with; list_transactions has them all.
NEWEST_TRANSACTIONS = 100
TYPES = {UnitType.CURRENCY: BalanceType.CASH, UnitType.METRIC: BalanceType.USAGE}
HELD = "credits_held_at(grant_row, 'infinity', present.moment)"
USABLE = f"""
    SELECT {", ".join(f"grant_row.{name}" for name in GRANT_FIELDS if name != "held")}, {HELD} AS held
    FROM (SELECT ledger_now() AS moment) present, credits_grant grant_row
    WHERE grant_row.tenant_id = %s AND grant_row.customer_id = %s AND credits_is_usable(grant_row, ledger_day(present.moment))
    ORDER BY credits_burn_down_order(grant_row)
"""  # noqa: S608 - names of columns, from a constant
HELD_NOW = f"""
    SELECT grant_row.id, {HELD} AS held
    FROM (SELECT ledger_now() AS moment) present, credits_grant grant_row
    WHERE grant_row.tenant_id = %s AND grant_row.id = ANY (%s)
"""  # noqa: S608 - constants


# A column of a query of grants: what holds reserve now, without overdue ones.
HELD_OF_GRANT = RawSQL(
    "CASE WHEN credits_grant.held > 0 THEN credits_held_at(credits_grant, 'infinity', ledger_now()) ELSE 0 END",
    (),
    output_field=MoneyField(),
)


def with_unit(grant: dict[str, Any]) -> dict[str, Any]:
    """The grant with what it is counted in: `type` (CASH or USAGE) and `unit` (the currency or the metric's id)."""
    is_metric = grant["unit_type"] == UnitType.METRIC
    return {
        **grant,
        "type": TYPES[grant["unit_type"]],
        "unit": grant["metric_id"] if is_metric else grant["currency"],
        "metric_id": grant["metric_id"] or None,
    }


def usable_grants(*, tenant_id: UUID, customer_id: str) -> list[dict[str, Any]]:
    """The customer's grants that can be drawn on today, in burn-down order; `held` is what live holds reserve."""
    return [with_unit(row._asdict()) for row in queries.fetch_rows(USABLE, [tenant_id, customer_id])]


def with_live_holds(grants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One tenant's grants, each with `held` counted without overdue holds. Queries only if something is held."""
    held = [grant["id"] for grant in grants if grant["held"]]
    live = {row.id: row.held for row in queries.fetch_rows(HELD_NOW, [grants[0]["tenant_id"], held])} if held else {}
    return [{**grant, "held": live.get(grant["id"], grant["held"])} for grant in grants]


def customer_balances(*, tenant_id: UUID, customer_id: str) -> list[dict[str, Any]]:
    """One balance for each currency and metric that the customer can draw on today, with its grants and newest transactions."""
    grants = sorted(usable_grants(tenant_id=tenant_id, customer_id=customer_id), key=_unit)
    transactions = _newest(tenant_id=tenant_id, grants=grants)
    units = [(unit, list(members)) for unit, members in groupby(grants, key=_unit)]
    return [balance_of(unit, members) | {"transactions": _of_grants(members, transactions)} for unit, members in units]


def _unit(grant: dict[str, Any]) -> tuple[str, str]:
    return grant["type"], grant["unit"]


def available(balance: Decimal, held: Decimal) -> Decimal:
    """What a debit may take, for people to read. The database function credits_available decides; a test holds this equal to it."""
    return balance - held


def balance_of(unit: tuple[str, str], grants: list[dict[str, Any]], *, counted: str = "balance") -> dict[str, Any]:
    """The balance of a customer's grants of one unit. `counted`: the field of each grant that is added up, "balance" or "usable"."""
    balance = sum((grant[counted] for grant in grants), Decimal(0))
    held = sum((grant["held"] for grant in grants), Decimal(0))
    return {
        "id": unit[1],
        "type": unit[0],
        "name": unit[1],
        "balance": balance,
        "held": held,
        "available": available(balance, held),
        # The published API requires a cost: 0 for a grant without one.
        "grants": [{**grant, "cost_of_credit": grant["cost_of_credit"] or Decimal(0)} for grant in grants],
    }


def _of_grants(grants: list[dict[str, Any]], transactions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    members = {grant["id"] for grant in grants}
    return [row for row in transactions if row["grant_id"] in members][:NEWEST_TRANSACTIONS]


def _newest(*, tenant_id: UUID, grants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest transactions of each grant, newest first, in one query."""
    return _newest_of(tenant_id=tenant_id, grant_ids=[grant["id"] for grant in grants])


@prepared
def _newest_of(*, tenant_id: Any, grant_ids: Any) -> "QuerySet[Any, Any]":
    numbered = CreditTransaction.objects.filter(is_one_of("grant_id", grant_ids), tenant_id=tenant_id).annotate(
        place=Window(RowNumber(), partition_by="grant_id", order_by=F("entry_number").desc())
    )
    return numbered.filter(place__lte=NEWEST_TRANSACTIONS).order_by("-created_at", "-id").values(*TRANSACTION_FIELDS)


def preview_consumption(
    *, tenant_id: UUID, customer_id: str, amount: Decimal, currency: str | None = None, metric_id: str | None = None
) -> dict[str, Any]:
    """What a draw would take now, without taking it: `lines` in burn-down order, the sum `taken`, and what would be `missing`."""
    lines = queries.fetch_rows(
        "SELECT * FROM credits_preview_draw(%s, %s, %s, %s, %s)", [tenant_id, customer_id, currency, metric_id, amount]
    )
    taken = sum((line.taken for line in lines), Decimal(0))
    return {
        "amount": amount,
        "taken": taken,
        "missing": amount - taken,
        "lines": [{**line._asdict(), "chosen_by": msgspec.json.decode(line.chosen_by)} for line in lines],
    }
