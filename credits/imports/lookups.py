"""Queries of the credits ledger for imports: one query for a thousand rows."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, Q, Sum

from credits.choices import REVERSIBLE, GrantStatus, TransactionKind
from credits.models import CreditTransaction, Grant, RecurringGrant
from kernel.backfills.row_outcomes import as_json

# How often a grant's import may be undone and brought in again while its transactions still name it by its first key.
MAX_AGAIN = 9
STANDING = ("id", "unit_type", "currency", "metric_id", "balance", "held", "status", "effective_date", "expiry_date", "last_entry_number")
NAMED = """
SELECT id::text, idempotency_key, coalesce(nullif(metric_id, ''), currency) FROM credits_grant
WHERE tenant_id = %(tenant)s AND idempotency_key = ANY (ARRAY(SELECT jsonb_array_elements_text(%(keys)s::jsonb)))
UNION
SELECT id::text, idempotency_key, coalesce(nullif(metric_id, ''), currency) FROM credits_grant
WHERE tenant_id = %(tenant)s AND id = ANY (ARRAY(SELECT jsonb_array_elements_text(%(ids)s::jsonb)::uuid))
"""
# What each invoice has taken from a grant: the debits that name the invoice, less the credits that do.
TAKEN = """
SELECT cited.grant_id, cited.invoice_id, sum(CASE cited.type WHEN 'DEBIT' THEN cited.amount ELSE -cited.amount END)
FROM unnest(%s::uuid[], %s::text[]) AS wanted (grant_id, invoice_id)
JOIN credits_transaction cited ON cited.tenant_id = %s AND cited.invoice_id = wanted.invoice_id AND cited.grant_id = wanted.grant_id
    AND cited.invoice_id <> ''
GROUP BY cited.grant_id, cited.invoice_id
"""
LEFT_TO_REVERSE = """
SELECT original.id::text, original.amount - coalesce(sum(reversal.amount), 0)
FROM credits_transaction original
LEFT JOIN credits_transaction reversal ON reversal.tenant_id = original.tenant_id AND reversal.reverses_id = original.id
WHERE original.tenant_id = %s AND original.id = ANY (%s::uuid[])
GROUP BY original.id, original.amount
"""
# The lowest available balance of each grant while a run's entries are reversed, newest first.
SHORT_WITHOUT = """
SELECT grant_id, min(room) FROM (
    SELECT entry.grant_id, credits_available(grant_row.balance - sum(CASE entry.type WHEN 'CREDIT' THEN entry.amount ELSE -entry.amount END)
        OVER (PARTITION BY entry.grant_id ORDER BY entry.created_at DESC, entry.entry_number DESC), grant_row.held) AS room
    FROM credits_transaction entry
    JOIN credits_grant grant_row ON grant_row.tenant_id = entry.tenant_id AND grant_row.id = entry.grant_id
    WHERE entry.tenant_id = %s AND entry.request_id = %s AND entry.request_id LIKE 'run:%%' AND NOT EXISTS (
        SELECT FROM credits_transaction reversal WHERE reversal.tenant_id = entry.tenant_id AND reversal.reverses_id = entry.id)
) AS path
GROUP BY grant_id HAVING min(room) < 0 ORDER BY grant_id LIMIT %s
"""


def grants_by_id(*, tenant_id: UUID, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Grants with the occurred_at of their newest entry."""
    found = Grant.objects.filter(tenant_id=tenant_id, id__in=list(ids)).exclude(status=GrantStatus.DELETED)
    latest = CreditTransaction.objects.filter(tenant_id=tenant_id, grant_id__in=list(ids)).values_list("grant_id")
    moments = dict(latest.annotate(Max("occurred_at")).order_by())
    return [{**grant, "latest": moments.get(grant["id"])} for grant in found.values(*STANDING)]


def named_grants(*, tenant_id: UUID, keys: Sequence[str], ids: Sequence[str]) -> list[tuple[str, str | None, str]]:
    """Id, key and unit (metric or else currency) of the grants with these keys or ids. None of these ever changes."""
    with connection.cursor() as cursor:
        cursor.execute(NAMED, {"tenant": tenant_id, "keys": as_json(keys), "ids": as_json(ids)})
        return list(cursor.fetchall())


def grants_again(*, tenant_id: UUID, keys: Sequence[str]) -> list[tuple[str, str, str]]:
    """Of deleted grants with these keys, which an import brought in again as <key>~2 (~3, ...): the key, the newest one's id, its unit."""
    deleted = Grant.objects.filter(tenant_id=tenant_id, idempotency_key__in=list(keys), status=GrantStatus.DELETED)
    gone = [str(key) for key in deleted.values_list("idempotency_key", flat=True)]
    wanted = {f"{key}~{number}": key for key in gone for number in range(2, MAX_AGAIN + 1)}
    if not wanted:
        return []
    grants = Grant.objects.filter(tenant_id=tenant_id, idempotency_key__in=list(wanted)).exclude(status=GrantStatus.DELETED)
    rows = grants.order_by("idempotency_key").values_list("idempotency_key", "id", "metric_id", "currency")
    return [(wanted[str(key)], str(grant), metric or currency) for key, grant, metric, currency in rows]


def known_recurring_grants(*, tenant_id: UUID, ids: Sequence[str]) -> list[UUID]:
    return list(RecurringGrant.objects.filter(tenant_id=tenant_id, id__in=list(ids)).values_list("id", flat=True))


def recurring_grants_used(*, tenant_id: UUID, request_id: str, at_most: int) -> list[tuple[UUID, str, int]]:
    """A run's recurring grants that have grants which aren't deleted: id, name, number of grants."""
    grants = Grant.objects.filter(tenant_id=tenant_id, recurring_grant__tenant_id=tenant_id, recurring_grant__request_id=request_id)
    standing = grants.filter(recurring_grant__request_id__startswith="run:").exclude(status=GrantStatus.DELETED)
    counted = standing.values_list("recurring_grant_id", "recurring_grant__name").annotate(Count("id")).order_by("recurring_grant_id")
    return list(counted[:at_most])


def known_customers(*, tenant_id: UUID, names: Sequence[str]) -> set[str]:
    return set(Grant.objects.filter(tenant_id=tenant_id, customer_id__in=list(names)).values_list("customer_id", flat=True))


def known_units(*, tenant_id: UUID, names: Sequence[str]) -> set[str]:
    """Those currencies and metrics that the tenant has a grant in."""
    grants = Grant.objects.filter(Q(currency__in=list(names)) | Q(metric_id__in=list(names)), tenant_id=tenant_id)
    return {metric or currency for currency, metric in grants.values_list("currency", "metric_id").distinct().order_by()}


def customer_totals(*, tenant_id: UUID, customers: Sequence[str]) -> dict[tuple[str, str], Decimal]:
    """The sums of the balances of customers' grants, by (customer, currency or metric)."""
    grants = Grant.objects.filter(tenant_id=tenant_id, customer_id__in=list(customers))
    rows = grants.values_list("customer_id", "currency", "metric_id").annotate(Sum("balance")).order_by()
    totals: dict[tuple[str, str], Decimal] = {}
    for customer, currency, metric, balance in rows:
        totals[customer, metric or currency] = totals.get((customer, metric or currency), Decimal(0)) + balance
    return totals


def amounts_taken_by_invoice(*, tenant_id: UUID, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Decimal]:
    """What each invoice has taken from each grant, less what was given back, by (grant, invoice)."""
    with connection.cursor() as cursor:
        cursor.execute(TAKEN, [[grant for grant, _ in pairs], [invoice for _, invoice in pairs], tenant_id])
        return {(str(grant), invoice): amount for grant, invoice, amount in cursor.fetchall()}


def left_to_reverse(*, tenant_id: UUID, ids: Sequence[str]) -> dict[str, Decimal]:
    """How much of each of these transactions isn't reversed yet."""
    with connection.cursor() as cursor:
        cursor.execute(LEFT_TO_REVERSE, [tenant_id, list(ids)])
        return dict(cursor.fetchall())


def grants_drawn_on(*, tenant_id: UUID, request_id: str, at_most: int) -> list[dict[str, Any]]:
    """A run's grants with later entries or holds. They block an undo."""
    brought = Grant.objects.filter(tenant_id=tenant_id, request_id=request_id, request_id__startswith="run:")
    moved = brought.filter(Q(last_entry_number__gt=1) | Q(held__gt=0)).exclude(status=GrantStatus.DELETED)
    rows: Any = moved.order_by("id").values("id", "customer_id", "name", "last_entry_number", "balance", "held")[:at_most]
    return list(rows)


def irreversible(*, tenant_id: UUID, request_id: str, at_most: int) -> list[tuple[UUID, str]]:
    """A run's transactions of irreversible kinds, without those that another transaction of the run reverses."""
    brought = CreditTransaction.objects.filter(tenant_id=tenant_id, request_id=request_id, request_id__startswith="run:")
    own = Q(kind=TransactionKind.REVERSAL, reverses__request_id=request_id)
    return list(brought.exclude(kind__in=REVERSIBLE).exclude(own).order_by("id").values_list("id", "kind")[:at_most])


def grants_short_without(*, tenant_id: UUID, request_id: str, at_most: int) -> list[tuple[UUID, Decimal]]:
    """Grants that an undo of the run would take below what they hold, and by how much (negative)."""
    with connection.cursor() as cursor:
        cursor.execute(SHORT_WITHOUT, [tenant_id, request_id, at_most])
        return list(cursor.fetchall())
