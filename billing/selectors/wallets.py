"""Reads of wallets and daily totals: balances now and at a past moment."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F

from billing.models import Wallet
from billing.selectors.holds import HELD_NOW
from billing.selectors.transactions import Rows
from kernel.ledger import queries
from kernel.ledger.clocks import Clock
from kernel.ledger.prepared_queries import prepared


def list_wallets(*, tenant_id: UUID) -> list[dict[str, Any]]:
    """The tenant's wallets with their present balances, by currency. `held` leaves overdue holds out, which the column still counts."""
    wallets = _wallets(tenant_id=tenant_id)
    for wallet in wallets:
        wallet["held"] = wallet.pop("held_now")
    return wallets


@prepared
def _wallets(*, tenant_id: Any) -> Rows:
    fields = ("id", "currency", "balance", "floor", "alert_below", "last_entry_number", "last_entry_at")
    wallets = Wallet.objects.filter(tenant_id=tenant_id).order_by("currency").annotate(held_now=HELD_NOW)
    return wallets.values(*fields, "held_now", unheld=F("balance") - F("held_now"))


def list_wallets_at(*, tenant_id: UUID, moment: datetime, clock: str, final_until: datetime) -> list[dict[str, Any]]:
    """The tenant's wallets at a past moment: as list_wallets, after all entries up to and at it by their time on the clock.

    `final_until` comes from past_reads.wait_for_postings_before: entries booked after it are left out, so that the answer doesn't
    change. By book time a wallet is as its newest entry of that time left it. By world time its balance is the sum of the whole days
    before, from the daily totals, and of the day's own entries; its number and time are None, because entries are numbered as they are
    booked: what had happened by a moment may be numbers 1, 2 and 7. The floor is today's. Holds have no second time, so they are read by
    book time.
    """
    if clock == Clock.BOOK:
        rows = queries.fetch_rows(BOOK_BALANCES, (min(moment, final_until), moment, min(moment, final_until), tenant_id))
    else:
        day = moment.astimezone(UTC).date()
        held_by = (min(moment, final_until), moment)
        rows = queries.fetch_rows(WORLD_BALANCES, (*held_by, day, day, moment, final_until, day, final_until, tenant_id))
    then = {row.currency: row._asdict() for row in rows}
    wallets = [wallet | then.get(wallet["currency"], {"held": Decimal(0)}) for wallet in list_wallets(tenant_id=tenant_id)]
    return [wallet | {"unheld": wallet["balance"] - wallet["held"]} for wallet in wallets]


BOOK_BALANCES = """
    SELECT wallet.currency, coalesce(entry.balance_after, 0) AS balance, coalesce(entry.entry_number, 0) AS last_entry_number,
        entry.created_at AS last_entry_at, billing_held_at(wallet, %s, %s) AS held
    FROM billing_wallet wallet
    LEFT JOIN LATERAL (
        SELECT balance_after, entry_number, created_at FROM billing_transaction
        WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id AND created_at <= %s
        ORDER BY created_at DESC, entry_number DESC LIMIT 1
    ) AS entry ON true
    WHERE wallet.tenant_id = %s ORDER BY wallet.currency
"""
# Daily totals include entries that were booked after the moment asked for; `later` is the sum of those, which is subtracted.
WORLD_BALANCES = """
    SELECT wallet.currency, coalesce(past.net, 0) + coalesce(today.net, 0) - coalesce(later.net, 0) AS balance,
        NULL AS last_entry_number, NULL AS last_entry_at, billing_held_at(wallet, %s, %s) AS held
    FROM billing_wallet wallet
    LEFT JOIN LATERAL (
        SELECT sum(credits - debits) AS net FROM billing_dailytotal
        WHERE tenant_id = wallet.tenant_id AND currency = wallet.currency AND day < %s
    ) AS past ON true
    LEFT JOIN LATERAL (
        SELECT sum(effect) AS net FROM billing_transaction
        WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND occurred_at >= %s::date::timestamp AT TIME ZONE 'UTC' AND occurred_at <= %s AND created_at <= %s
    ) AS today ON true
    LEFT JOIN LATERAL (
        SELECT sum(effect) AS net FROM billing_transaction
        WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id
            AND occurred_at < %s::date::timestamp AT TIME ZONE 'UTC' AND created_at > %s
    ) AS later ON true
    WHERE wallet.tenant_id = %s ORDER BY wallet.currency
"""
