"""A wallet's statement for a period: what it opened with, every entry, what it closed with; opening + entries = closing.

By book time (the default) an entry belongs to the period in which the book took it, so that a period once closed never changes and its
closing is the next one's opening, back-dated entries or not. By world time it belongs where it happened, and a back-dated entry
changes the periods behind it.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.template.loader import get_template

from billing.choices import Basis
from billing.models import Transaction
from billing.selectors import TRANSACTION_FIELDS
from kernel.ledger import posting
from kernel.ledger.money import grouped, plain

# Entries fetched and written at a time.
CHUNK = 2000
TIMES = {Basis.BOOK.value: "created_at", Basis.WORLD.value: "occurred_at"}
COLUMNS = (
    "entry_number",
    "created_at",
    "occurred_at",
    "type",
    "reference_id",
    "agent_id",
    "description",
    "amount",
    "effect",
    "balance",
    "id",
)
# A spreadsheet takes text that begins so for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Statement:
    """A period's frame. Periods hold their start, not their end. The entries are read when they are asked for, however many they are."""

    tenant_id: UUID
    currency: str
    since: datetime
    until: datetime
    basis: str
    opening_balance: Decimal
    closing_balance: Decimal
    # By type: type, entries, credits, debits, net.
    totals: list[dict[str, Any]]
    queryset: "QuerySet[Any, Any]"

    @property
    def time(self) -> str:
        """The name of the time by which entries belong to the period."""
        return TIMES[self.basis]

    @property
    def entry_count(self) -> int:
        return sum(total["entries"] for total in self.totals)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry in the order of its time, with `balance`: what the wallet held after it, in this order."""
        balance = self.opening_balance
        for row in self.queryset.iterator(chunk_size=CHUNK):
            balance += row["effect"]
            yield row | {"balance": balance}


def statement(*, tenant_id: UUID, currency: str, since: datetime, until: datetime, basis: str = Basis.BOOK) -> Statement:
    """The statement of the tenant's wallet in a currency; of a wallet that was never used, one of zeros."""
    wallet = _settled(tenant_id=tenant_id, currency=currency)
    time = TIMES[basis]
    # Nothing beyond the entries that were there when the wallet was settled: what is read below agrees, whatever is posted meanwhile.
    bounds: dict[str, Any] = {f"{time}__gte": since, f"{time}__lt": until, "entry_number__lte": wallet.last_entry_number if wallet else 0}
    entries = Transaction.objects.filter(tenant_id=tenant_id, wallet_id=wallet.id if wallet else tenant_id, **bounds)
    totals: Any = (
        entries.values("type")
        .annotate(
            entries=Count("id"),
            credits=Sum("effect", filter=Q(effect__gt=0), default=0),
            debits=-Sum("effect", filter=Q(effect__lt=0), default=0),
            net=Sum("effect"),
        )
        .order_by("type")
    )
    opening = _opening(wallet=wallet, since=since, basis=basis) if wallet else Decimal(0)
    return Statement(
        tenant_id=tenant_id,
        currency=currency,
        since=since,
        until=until,
        basis=basis,
        opening_balance=opening,
        closing_balance=opening + sum((total["net"] for total in totals), Decimal(0)),
        totals=list(totals),
        queryset=entries.order_by(time, "entry_number").values(*TRANSACTION_FIELDS),
    )


def _settled(*, tenant_id: UUID, currency: str) -> Any:
    """The wallet once all is through that was being posted to it: what comes after that has a later time. None without one."""
    found = posting.run(SETTLE, (tenant_id, currency))
    if not found:
        # Perhaps its first entry is just being posted; who opens a wallet holds on to the tenant.
        posting.run(SETTLE_OPENING, (tenant_id,))
        found = posting.run(SETTLE, (tenant_id, currency))
    return found[0] if found else None


SETTLE = "SELECT id, tenant_id, currency, last_entry_number FROM billing_wallet WHERE tenant_id = %s AND currency = %s FOR SHARE"
SETTLE_OPENING = "SELECT id FROM tenants_tenant WHERE id = %s FOR UPDATE"
BOOK_OPENING = """
    SELECT coalesce((
        SELECT balance_after FROM billing_transaction
        WHERE tenant_id = %s AND wallet_id = %s AND created_at < %s ORDER BY created_at DESC, entry_number DESC LIMIT 1
    ), 0) AS balance
"""
# The whole days before from the totals, the first day's own entries, less what was posted since the wallet was settled.
WORLD_OPENING = """
    SELECT coalesce((
        SELECT sum(credits - debits) FROM billing_dailytotal
        WHERE tenant_id = wallet.tenant_id AND currency = wallet.currency AND day < edge.day
    ), 0) + coalesce((
        SELECT sum(effect) FROM billing_transaction WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND occurred_at >= edge.dawn AND occurred_at < edge.since AND entry_number <= edge.last
    ), 0) - coalesce((
        SELECT sum(effect) FROM billing_transaction WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND entry_number > edge.last AND occurred_at < edge.dawn
    ), 0) AS balance
    FROM billing_wallet wallet, (
        SELECT %s::timestamptz AS since, %s::date AS day, %s::date::timestamp AT TIME ZONE 'UTC' AS dawn, %s::bigint AS last
    ) AS edge
    WHERE wallet.tenant_id = %s AND wallet.id = %s
"""


def _opening(*, wallet: Any, since: datetime, basis: str) -> Decimal:
    if basis == Basis.BOOK:
        found = posting.run(BOOK_OPENING, (wallet.tenant_id, wallet.id, since))
    else:
        day = since.astimezone(UTC).date()
        found = posting.run(WORLD_OPENING, (since, day, day, wallet.last_entry_number, wallet.tenant_id, wallet.id))
    balance: Decimal = found[0].balance
    return balance


def csv_text(statement: Statement) -> Iterator[str]:
    """The statement as CSV, a piece at a time: a line for the opening balance, one for each entry, one for the closing balance.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="")
    writer.writeheader()
    writer.writerow(_edge("opening_balance", statement.since, statement.opening_balance))
    for row in statement.entries():
        writer.writerow({name: _cell(row[name]) for name in COLUMNS})
        if buffer.tell() > 65_536:
            yield _emptied(buffer)
    writer.writerow(_edge("closing_balance", statement.until, statement.closing_balance))
    yield _emptied(buffer)


def html_text(statement: Statement) -> Iterator[str]:
    """The statement as a page to print, a piece at a time."""
    totals = [
        total | {name: grouped(total[name], statement.currency) for name in ("credits", "debits", "net")} for total in statement.totals
    ]
    edges = {
        "opening": grouped(statement.opening_balance, statement.currency),
        "closing": grouped(statement.closing_balance, statement.currency),
    }
    yield get_template("billing/statement_head.html").render({"statement": statement, "totals": totals, **edges})
    line = get_template("billing/statement_line.html")
    for row in statement.entries():
        amounts = {name: grouped(row[name], statement.currency) for name in ("effect", "balance")}
        yield line.render({"entry": row | amounts | {"shown_at": row[statement.time]}})
    yield get_template("billing/statement_foot.html").render({"statement": statement, **edges})


def _edge(name: str, moment: datetime, balance: Decimal) -> dict[str, str]:
    return {"type": name, "created_at": moment.isoformat(), "balance": plain(balance)}


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return plain(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case str() if value.startswith(FORMULA_STARTS):
            return f"'{value}"
    return str(value)


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
