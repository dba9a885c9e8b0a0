"""Queries of the billing ledger for imports: one query for a thousand rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from billing.digests import facts_digest, recorded_facts
from billing.models import Policy, Transaction, TransactionType

Key = tuple[str, str]
ENTRIES_BY_KEY = """
SELECT entry.type, entry.reference_id, entry.id, entry.facts_digest, entry.request_id, entry.currency,
    CASE WHEN entry.reverses_id IS NULL THEN entry.effect - sign(entry.effect) * entry.reversed_amount END
FROM unnest(%s::text[], %s::text[]) AS wanted (type, reference_id)
JOIN billing_transaction entry ON entry.tenant_id = %s AND entry.reference_id = wanted.reference_id AND entry.type = wanted.type
"""
# `LIKE 'run:%%'`, here and below, repeats the condition of the partial index billing_transaction_run, so that the planner can use it.
# The lowest balance of each wallet while a run's entries are reversed, newest first, and what holds reserve of it.
LOWEST_BALANCE_AFTER_UNDO = """
SELECT currency, balance - taken, held, floor FROM (
    SELECT wallet.currency, wallet.balance, billing_held_now(wallet) AS held, wallet.floor, path.taken
    FROM (
        SELECT wallet_id, max(taken) AS taken FROM (
            SELECT entry.wallet_id,
                sum(entry.effect - sign(entry.effect) * entry.reversed_amount) OVER (PARTITION BY entry.wallet_id ORDER BY entry.id DESC)
                    AS taken
            FROM billing_transaction entry
            WHERE entry.tenant_id = %(tenant)s AND entry.request_id = %(run)s AND entry.request_id LIKE 'run:%%'
                AND entry.reversed_by_id IS NULL
        ) AS step
        GROUP BY wallet_id
    ) AS path
    JOIN billing_wallet wallet ON wallet.tenant_id = %(tenant)s AND wallet.id = path.wallet_id
) AS lowest
WHERE NOT billing_floor_allows(balance => balance - taken, held => held, floor => floor)
ORDER BY currency
"""


def entries_by_key(*, tenant_id: UUID, keys: Sequence[Key]) -> list[tuple[str, str, UUID, bytes, str, str, Decimal | None]]:
    """The entries with these keys: type, reference, id, digest, request id, currency, and the part of the effect that isn't reversed yet.

    That last one is None for a reversal, which can't be reversed.
    """
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES_BY_KEY, [[kind for kind, _ in keys], [reference for _, reference in keys], tenant_id])
        rows = cursor.fetchall()
    return [
        (kind, reference, found, bytes(stored_digest), request, unit, size)
        for kind, reference, found, stored_digest, request, unit, size in rows
    ]


def recorded_digests(*, tenant_id: UUID, ids: Sequence[str]) -> dict[str, bytes]:
    """Of entries by id: the digest of the facts that they record, with the defaults that their callers left out."""
    names = ("id", "amount", "agent_id", "description", "currency", "occurred_at", "metadata", "reverses_id", "reason_code", "reason")
    rows = Transaction.objects.filter(tenant_id=tenant_id, id__in=ids).values_list(*names, named=True)
    return {str(row.id): facts_digest(recorded_facts(row)) for row in rows}


def type_directions(*, tenant_id: UUID, codes: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """By code, of the types that the tenant has rows of: the direction, and whether the type is in the catalogue."""
    types = TransactionType.objects.filter(tenant_id=tenant_id, code__in=list(codes))
    return {code: (direction, known) for code, direction, known in types.values_list("code", "direction", "is_catalogued")}


def catalogued_types(*, tenant_id: UUID) -> list[str]:
    return list(TransactionType.objects.filter(tenant_id=tenant_id, is_catalogued=True).values_list("code", flat=True))


def catalogued_directions(*, tenant_id: UUID) -> dict[str, str]:
    """The directions of the tenant's catalogue, by code."""
    return dict(TransactionType.objects.filter(tenant_id=tenant_id, is_catalogued=True).values_list("code", "direction"))


def policy_values(*, tenant_id: UUID) -> tuple[bool, Decimal | None]:
    """The tenant's policy: whether only types of the catalogue are accepted, and the floor of a new wallet."""
    found = Policy.objects.filter(tenant_id=tenant_id).values_list("strict_types", "default_floor").first()
    return (False, None) if found is None else found


def newest_occurred_at(*, tenant_id: UUID, currency: str) -> datetime | None:
    """The latest `occurred_at` of a wallet's entries; one index probe."""
    entries = Transaction.objects.filter(tenant_id=tenant_id, wallet__tenant_id=tenant_id, wallet__currency=currency)
    return entries.order_by("-occurred_at").values_list("occurred_at", flat=True).first()


def reversals_of_others(*, tenant_id: UUID, request_id: str, at_most: int) -> list[tuple[str, str]]:
    """Type and reference of the run's reversals whose original isn't of the run. They block an undo: a reversal can't be reversed."""
    entries = Transaction.objects.filter(tenant_id=tenant_id, request_id=request_id, request_id__startswith="run:", reverses__isnull=False)
    return list(entries.exclude(reverses__request_id=request_id).order_by("id").values_list("type", "reference_id")[:at_most])


def wallets_below_floor_after_undo(*, tenant_id: UUID, request_id: str) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    """The wallets that an undo of the run would take below their floor: currency, lowest balance on the way less what is held, floor."""
    with connection.cursor() as cursor:
        cursor.execute(LOWEST_BALANCE_AFTER_UNDO, {"tenant": tenant_id, "run": request_id})
        return list(cursor.fetchall())
