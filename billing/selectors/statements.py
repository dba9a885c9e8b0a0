"""A wallet's statement for a period: what it opened with, every entry, what it closed with; opening + entries = closing.

By book time (the default) an entry belongs to the period in which it was booked, so a past period never changes and its closing balance is
the next period's opening balance, back-dated entries or not. By world time it belongs to the period in which it happened, and a back-dated
entry changes past periods.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.template.loader import get_template
from django.utils.html import escape

from billing.choices import type_in_words
from billing.models import Transaction
from billing.selectors.transaction_types import type_labels
from billing.selectors.transactions import TRANSACTION_FIELDS
from kernel.ledger import queries
from kernel.ledger.clocks import CLOCK_FIELDS, Clock
from kernel.ledger.exports.formula_escaping import BYTE_ORDER_MARK, escape_formula
from kernel.ledger.identifiers import with_short_ids
from kernel.ledger.moments import END_OF_MOMENTS
from kernel.ledger.money import trimmed_digits, with_thousands
from kernel.ledger.past_reads import wait_for_postings_before
from kernel.tenants.models import Tenant

# Entries fetched and written at a time.
CHUNK = 2000
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
    "tenant",
    "currency",
)


@dataclass(frozen=True)
class WalletStatement:
    """A period without its entries, which are read when they are asked for, however many there are. `until` is not part of the period.

    `final_until`: entries booked up to and at this moment are in it, and no other entry can still be booked at or before it.
    """

    tenant_id: UUID
    currency: str
    since: datetime
    until: datetime
    clock: str
    final_until: datetime
    opening_balance: Decimal
    closing_balance: Decimal
    # What holds reserve of the closing balance, by book time.
    held: Decimal
    # By type: type, entries, credits, debits, net.
    totals: list[dict[str, Any]]
    queryset: "QuerySet[Any, Any]"

    @cached_property
    def tenant(self) -> Tenant:
        return Tenant.objects.get(pk=self.tenant_id)

    @property
    def time(self) -> str:
        """The name of the time that counts."""
        return CLOCK_FIELDS[self.clock]

    @property
    def entry_count(self) -> int:
        return sum(total["entries"] for total in self.totals)

    def entries(self, *, first: int = 0, count: int | None = None) -> Iterator[dict[str, Any]]:
        """The entries in the order of their time, each with `balance`: what the wallet held after it, in this order.

        `first`: how many entries to pass over; `count`: how many to read at most.
        """
        balance = self.balance_before(first)
        rows = self.queryset[first : None if count is None else first + count]
        for row in rows.iterator(chunk_size=CHUNK):
            balance += row["effect"]
            yield row | {"balance": balance}

    def balance_before(self, first: int) -> Decimal:
        """What the wallet held before the entry that `first` entries of the period precede."""
        passed = self.queryset[:first].aggregate(total=Sum("effect"))["total"] if first else None
        return self.opening_balance + (passed or Decimal(0))


def get_statement(
    *, tenant_id: UUID, currency: str, since: datetime | None = None, until: datetime | None = None, clock: str = Clock.BOOK
) -> WalletStatement:
    """The statement of the tenant's wallet in a currency; of a wallet that was never used, one of zeros.

    `until` defaults to the database's present time, `since` to the first moment, in UTC, of the month that the last moment before `until`
    lies in. Raises Busy where postings to the wallet stay in flight too long.
    """
    wallet = _wallet_without_postings_in_flight(tenant_id=tenant_id, currency=currency)
    until = until or wallet.now
    since = since or _start_of_month(until)
    time = CLOCK_FIELDS[clock]
    # Nothing beyond the entries that the wallet had when it was locked: the queries below agree, whatever is posted meanwhile.
    bounds: dict[str, Any] = {f"{time}__gte": since, f"{time}__lt": until, "entry_number__lte": wallet.last_entry_number}
    entries = Transaction.objects.filter(tenant_id=tenant_id, wallet_id=wallet.id, **bounds)
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
    opening = _opening_balance(tenant_id=tenant_id, wallet=wallet, since=since, clock=clock)
    return WalletStatement(
        tenant_id=tenant_id,
        currency=currency,
        since=since,
        until=until,
        clock=clock,
        final_until=min(until, wallet.now),
        opening_balance=opening,
        closing_balance=opening + sum((total["net"] for total in totals), Decimal(0)),
        held=queries.fetch_rows(HELD, (until, min(until, wallet.now), tenant_id, wallet.id))[0].held,
        totals=list(totals),
        queryset=entries.order_by(time, "entry_number").values(*TRANSACTION_FIELDS),
    )


def _start_of_month(until: datetime) -> datetime:
    """Of the month before a first of the month: `until` itself is not part of the period."""
    last = until.astimezone(UTC) - timedelta(microseconds=1)
    return last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _wallet_without_postings_in_flight(*, tenant_id: UUID, currency: str) -> Any:
    """The wallet's id and last entry number, once every posting to it that was in flight has ended; `now` is the moment before that.

    Locks the wallet FOR SHARE for the time of the look: a posting that gets the lock later reads a later clock. A wallet that isn't there
    may be in the middle of being opened: then all postings in flight are waited for. A row of zeros where there is none after that.
    """
    wallet = queries.fetch_rows(LOCK_WALLET, (tenant_id, currency))
    if not wallet:
        wait_for_postings_before(tenant_id=tenant_id, instant=END_OF_MOMENTS)
        wallet = queries.fetch_rows(LOCK_WALLET, (tenant_id, currency))
    return (wallet or queries.fetch_rows(NO_WALLET))[0]


# statement_timestamp() is read before the lock.
LOCK_WALLET = """
    SELECT id, last_entry_number, statement_timestamp() AS now FROM billing_wallet WHERE tenant_id = %s AND currency = %s FOR SHARE
"""
NO_WALLET = "SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id, 0::bigint AS last_entry_number, statement_timestamp() AS now"
# Before the period's end, which is not part of it.
HELD = """
    SELECT coalesce((
        SELECT billing_held_at(wallet, %s - interval '1 microsecond', %s) FROM billing_wallet wallet WHERE tenant_id = %s AND id = %s
    ), 0) AS held
"""
BOOK_OPENING = """
    SELECT coalesce((
        SELECT balance_after FROM billing_transaction
        WHERE tenant_id = %s AND wallet_id = %s AND created_at < %s ORDER BY created_at DESC, entry_number DESC LIMIT 1
    ), 0) AS balance
"""
# The whole days before from the totals, the first day's own entries, less what was posted since the wallet was locked.
WORLD_OPENING = """
    SELECT coalesce((
        SELECT sum(credits - debits) FROM billing_dailytotal
        WHERE tenant_id = wallet.tenant_id AND currency = wallet.currency AND day < edge.day
    ), 0) + coalesce((
        SELECT sum(effect) FROM billing_transaction WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND occurred_at >= edge.midnight AND occurred_at < edge.since AND entry_number <= edge.last
    ), 0) - coalesce((
        SELECT sum(effect) FROM billing_transaction WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND entry_number > edge.last AND occurred_at < edge.midnight
    ), 0) AS balance
    FROM billing_wallet wallet, (
        SELECT %s::timestamptz AS since, %s::date AS day, %s::date::timestamp AT TIME ZONE 'UTC' AS midnight, %s::bigint AS last
    ) AS edge
    WHERE wallet.tenant_id = %s AND wallet.id = %s
"""


def _opening_balance(*, tenant_id: UUID, wallet: Any, since: datetime, clock: str) -> Decimal:
    """What the wallet held just before `since`; zero for a wallet that doesn't exist."""
    if not wallet.last_entry_number:
        return Decimal(0)
    if clock == Clock.BOOK:
        rows = queries.fetch_rows(BOOK_OPENING, (tenant_id, wallet.id, since))
    else:
        day = since.astimezone(UTC).date()
        rows = queries.fetch_rows(WORLD_OPENING, (since, day, day, wallet.last_entry_number, tenant_id, wallet.id))
    balance: Decimal = rows[0].balance
    return balance


def csv_text(statement: WalletStatement) -> Iterator[str]:
    """The statement as CSV, a piece at a time: a line for the opening balance, one for each entry, one for the closing balance, and one
    for what holds reserve of it, if they do.

    Begins with a byte order mark. Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    buffer.write(BYTE_ORDER_MARK)
    writer = csv.DictWriter(buffer, COLUMNS, restval="")
    writer.writeheader()
    # In every line: files of several wallets are put together.
    whose = {"tenant": escape_formula(statement.tenant.name), "currency": statement.currency}
    writer.writerow(_balance_line("opening_balance", statement.since, statement.opening_balance) | whose)
    for row in statement.entries():
        writer.writerow({name: _cell(row[name]) for name in COLUMNS if name not in whose} | whose)
        if buffer.tell() > 65_536:
            yield _taken_text(buffer)
    writer.writerow(_balance_line("closing_balance", statement.until, statement.closing_balance) | whose)
    if statement.held:
        writer.writerow(_balance_line("held", statement.until, statement.held) | whose)
    yield _taken_text(buffer)


def html_text(
    statement: WalletStatement, *, first: int = 0, count: int | None = None, links: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """The statement as a page to print, a piece at a time. `first` and `count`: only these entries (see `WalletStatement.entries`).

    `links`: for the page's head: `months`, `clocks` and `pages`, each a list of titles with addresses.
    """
    currency = statement.currency
    labels = type_labels(tenant_id=statement.tenant_id)
    totals = [
        total
        | {"type": labels.get(total["type"]) or type_in_words(total["type"])}
        | {name: with_thousands(total[name], currency) for name in ("credits", "debits", "net")}
        for total in statement.totals
    ]
    is_whole = count is None or first + count >= statement.entry_count
    edges = {
        "opening": with_thousands(statement.opening_balance, currency),
        "closing": with_thousands(statement.closing_balance, currency),
        "held": with_thousands(statement.held, currency) if statement.held else "",
        "carried": with_thousands(statement.balance_before(first), currency) if first else "",
        "is_whole": is_whole,
    }
    yield get_template("billing/statement_head.html").render({"statement": statement, "totals": totals, "links": links or {}, **edges})
    entries = statement.entries(first=first, count=count)
    while rows := list(islice(entries, CHUNK)):
        yield "".join(_html_line(row, statement, labels) for row in rows)
    yield get_template("billing/statement_foot.html").render({"statement": statement, **edges})


def _html_line(row: Mapping[str, Any], statement: WalletStatement, labels: Mapping[str, str]) -> str:
    """An entry as a row of the page's table. A template for each of many thousand entries would take most of the page's time."""
    notes = " ".join(filter(None, (row["description"], row["reason"])))
    title = labels.get(row["type"]) or type_in_words(row["type"])
    texts = (
        f"{row[statement.time].astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        f"{title} (reversal)" if row["reverses_id"] else title,
        with_short_ids(row["reference_id"]),
        row["agent_id"] or "",
        notes,
    )
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    amounts = "".join(f'<td class="amount">{with_thousands(row[name], statement.currency)}</td>' for name in ("effect", "balance"))
    return f'<tr><td class="amount">{row["entry_number"]}</td>{cells}{amounts}</tr>\n'


def _balance_line(name: str, moment: datetime, balance: Decimal) -> dict[str, str]:
    return {"type": name, "created_at": moment.isoformat(), "balance": trimmed_digits(balance)}


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return trimmed_digits(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case str():
            return escape_formula(value)
    return str(value)


def _taken_text(buffer: io.StringIO) -> str:
    """The buffer's text; empties it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
