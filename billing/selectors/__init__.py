"""Every read of the billing book; the tenant comes first. Nothing here changes a row."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from billing.choices import SHIPPED_TYPES, Basis
from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from kernel.ledger import posting
from kernel.ledger.errors import NotFound

# A queryset of mappings, by values().
Rows: TypeAlias = "QuerySet[Any, dict[str, Any]]"

# What a reply is made of: the same names that a posting's row has.
TRANSACTION_FIELDS = (
    "id",
    "amount",
    "type",
    "direction",
    "reference_id",
    "agent_id",
    "description",
    "currency",
    "effect",
    "balance_after",
    "entry_number",
    "occurred_at",
    "created_at",
    "metadata",
    "reverses_id",
    "reversed_by_id",
    "reversed_amount",
    "reason_code",
    "reason",
    "flags",
    "near_duplicate_of_id",
)
# The filters of a list, each with the look-up it means.
FILTERS = {
    "type": "type",
    "reference_id": "reference_id",
    "agent_id": "agent_id",
    "currency": "currency",
    "amount_min": "amount__gte",
    "amount_max": "amount__lte",
    "created_from": "created_at__gte",
    "created_to": "created_at__lt",
    "occurred_from": "occurred_at__gte",
    "occurred_to": "occurred_at__lt",
}


def list_transactions(*, tenant_id: UUID, filters: Mapping[str, Any] | None = None) -> Rows:
    """The tenant's entries as rows of TRANSACTION_FIELDS. `filters`: by the names in FILTERS; periods end before `_to`."""
    wanted = {FILTERS[name]: value for name, value in (filters or {}).items() if value is not None}
    rows: Rows = Transaction.objects.filter(tenant_id=tenant_id, **wanted).values(*TRANSACTION_FIELDS)
    return rows


def get_transaction(*, tenant_id: UUID, transaction_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    row = list_transactions(tenant_id=tenant_id).filter(id=transaction_id).first()
    if row is None:
        raise NotFound(kind="transaction", id=transaction_id)
    return row


def list_wallets(*, tenant_id: UUID) -> Rows:
    """The tenant's wallets as they stand, by currency."""
    fields = ("currency", "balance", "floor", "last_entry_number", "last_entry_at")
    rows: Rows = Wallet.objects.filter(tenant_id=tenant_id).order_by("currency").values(*fields)
    return rows


def list_types(*, tenant_id: UUID) -> list[dict[str, Any]]:
    """The tenant's catalogue by code: the shipped types, its own, and those that came in uncatalogued."""
    shipped: dict[str, dict[str, Any]] = {
        code: {"code": code, "label": label, "direction": str(way), "is_catalogued": True} for code, (label, way) in SHIPPED_TYPES.items()
    }
    own = TransactionType.objects.filter(tenant_id=tenant_id).values("code", "label", "direction", "is_catalogued")
    known = shipped | {kind["code"]: dict(kind) for kind in own}
    return [known[code] for code in sorted(known)]


def list_daily_totals(*, tenant_id: UUID) -> QuerySet:
    return DailyTotal.objects.filter(tenant_id=tenant_id)


def balances_at(*, tenant_id: UUID, moment: datetime, basis: str) -> dict[str, Decimal]:
    """What each wallet held, by currency, after all that was booked (`book`) or had happened (`world`) up to and at a moment.

    By book time that is the balance after one entry. By world time it is the whole days before, from the totals, and the day's own entries.
    """
    day = moment.astimezone(UTC).date()
    if basis == Basis.BOOK:
        rows = posting.run(BOOK_BALANCES, (moment, tenant_id))
    else:
        rows = posting.run(WORLD_BALANCES, (day, day, moment, tenant_id))
    return {row.currency: row.balance for row in rows}


BOOK_BALANCES = """
    SELECT wallet.currency, coalesce(entry.balance_after, 0) AS balance
    FROM billing_wallet wallet
    LEFT JOIN LATERAL (
        SELECT balance_after FROM billing_transaction
        WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id AND created_at <= %s
        ORDER BY created_at DESC, entry_number DESC LIMIT 1
    ) AS entry ON true
    WHERE wallet.tenant_id = %s ORDER BY wallet.currency
"""
WORLD_BALANCES = """
    SELECT wallet.currency, coalesce(past.net, 0) + coalesce(today.net, 0) AS balance
    FROM billing_wallet wallet
    LEFT JOIN LATERAL (
        SELECT sum(credits - debits) AS net FROM billing_dailytotal
        WHERE tenant_id = wallet.tenant_id AND currency = wallet.currency AND day < %s
    ) AS past ON true
    LEFT JOIN LATERAL (
        SELECT sum(effect) AS net FROM billing_transaction
        WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND occurred_at >= %s::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= %s
    ) AS today ON true
    WHERE wallet.tenant_id = %s ORDER BY wallet.currency
"""


def agent_totals(*, tenant_id: UUID, agent_id: str, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """What an agent's entries booked in a period came to, by currency and type. Reversals count with the agent of what they reverse."""
    wanted = {"created_at__gte": since, "created_at__lt": until}
    period = {name: moment for name, moment in wanted.items() if moment is not None}
    entries = Transaction.objects.filter(tenant_id=tenant_id, agent_id=agent_id, **period)
    rows: Any = (
        entries.values("currency", "type")
        .annotate(
            entries=Count("id"),
            credits=Sum("effect", filter=Q(effect__gt=0), default=0),
            debits=-Sum("effect", filter=Q(effect__lt=0), default=0),
            net=Sum("effect"),
            first_at=Min("created_at"),
            last_at=Max("created_at"),
        )
        .order_by("currency", "type")
    )
    return list(rows)
