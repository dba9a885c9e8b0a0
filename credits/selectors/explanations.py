"""Explains a balance: every entry up to a moment, in order, and sums recomputed from the entries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet, Sum

from credits.choices import TransactionType
from credits.models import CreditTransaction, Grant
from credits.selectors.balances import with_unit
from credits.selectors.grants import GRANT_FIELDS, get_grant
from credits.selectors.transactions import TRANSACTION_FIELDS
from kernel.ledger import queries
from kernel.ledger.errors import NotFound

ENTRY_FIELDS = (*TRANSACTION_FIELDS, "actor", "request_id")
CREDITS = Q(type=TransactionType.CREDIT)
DEBITS = Q(type=TransactionType.DEBIT)
HELD_AT = """
    SELECT grant_row.id, credits_held_at(grant_row, %s::timestamptz, coalesce(%s::timestamptz, ledger_now())) AS held
    FROM credits_grant grant_row
    WHERE grant_row.tenant_id = %s AND grant_row.id = ANY (%s)
"""


def explain_grant(*, tenant_id: UUID, grant_id: UUID, at: datetime | None = None) -> dict[str, Any]:
    """The grant's `entries` up to `at` (a queryset; without `at`, all entries) and their `sums`. Raises NotFound.

    `at` comes from past_reads.wait_for_postings_before.
    """
    grant = get_grant(tenant_id=tenant_id, grant_id=grant_id, deleted=True)
    return _explained(grants=[grant], rows=CreditTransaction.objects.filter(tenant_id=tenant_id, grant_id=grant_id), at=at)


def explain_customer(*, tenant_id: UUID, customer_id: str, at: datetime | None = None) -> dict[str, Any]:
    """The same for all grants that a customer ever had. Raises NotFound for a customer that never had one."""
    grants = list(Grant.objects.filter(tenant_id=tenant_id, customer_id=customer_id).order_by("created_at", "id").values(*GRANT_FIELDS))
    if not grants:
        raise NotFound(kind="customer", id=customer_id)
    return _explained(grants=grants, rows=CreditTransaction.objects.filter(tenant_id=tenant_id, customer_id=customer_id), at=at)


def _explained(*, grants: list[dict[str, Any]], rows: "QuerySet[CreditTransaction]", at: datetime | None) -> dict[str, Any]:
    booked = rows if at is None else rows.filter(created_at__lte=at)
    return {
        "entries": booked.values(*ENTRY_FIELDS),
        "sums": _sums(grants=grants, rows=booked, at=at),
    }


def _sums(*, grants: list[dict[str, Any]], rows: "QuerySet[CreditTransaction]", at: datetime | None) -> list[dict[str, Any]]:
    """For each grant the sums of its entries up to `at`, by kind; `balance` is credits less debits, `held` what holds reserved at `at`."""
    kinds: dict[UUID, dict[str, Any]] = {}
    for row in rows.values("grant_id", "kind").annotate(amount=Sum("amount")).order_by("kind"):
        kinds.setdefault(row["grant_id"], {})[row["kind"]] = row["amount"]
    totals: dict[UUID, Any] = {
        row["grant_id"]: row
        for row in rows.values("grant_id")
        .annotate(
            credits=Sum("amount", filter=CREDITS, default=0),
            debits=Sum("amount", filter=DEBITS, default=0),
            cost_given=Sum("cost_basis", filter=CREDITS, default=0),
            cost_taken=Sum("cost_basis", filter=DEBITS, default=0),
            entries=Count("id"),
            last_entry_number=Max("entry_number"),
        )
        .order_by()
    }
    held = _held(tenant_id=grants[0]["tenant_id"], grant_ids=[grant["id"] for grant in grants], at=at)
    return [_sum(with_unit(grant), totals[grant["id"]], kinds, held) for grant in grants if grant["id"] in totals]


def _sum(grant: dict[str, Any], total: dict[str, Any], kinds: dict[UUID, dict[str, Any]], held: dict[UUID, Any]) -> dict[str, Any]:
    by_kind = [{"kind": kind, "amount": amount} for kind, amount in kinds[grant["id"]].items()]
    cost = None if grant["cost_of_credit"] is None else total["cost_taken"] - total["cost_given"] + grant["cost_of_credit"]
    return {
        **grant,
        **total,
        "balance": total["credits"] - total["debits"],
        "held": held.get(grant["id"], 0),
        "cost_consumed": cost,
        "by_kind": by_kind,
    }


def _held(*, tenant_id: UUID, grant_ids: list[UUID], at: datetime | None) -> dict[UUID, Any]:
    """How much of each grant was reserved at that moment by holds that were not overdue."""
    return {row.id: row.held for row in queries.fetch_rows(HELD_AT, [at or "infinity", at, tenant_id, grant_ids])}
