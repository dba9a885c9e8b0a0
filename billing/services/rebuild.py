"""Recomputes wallets from their entries and holds, and the daily totals: the repair after an integrity check found them wrong."""

from uuid import UUID

from django.db import connection, transaction

from billing.integrity import checks
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerBroken
from kernel.ledger.integrity.checks import find_violations

# A posting that opens a wallet locks the tenant FOR SHARE before it does (billing_lock_wallets), so it waits until the rebuild is done;
# otherwise its entry could be counted here while it also adds itself to the totals. Not FOR UPDATE: every inserted row's foreign key locks
# the tenant FOR KEY SHARE, and a posting that holds its wallet and a rebuild that holds the tenant would wait for each other.
LOCK_TENANT = "SELECT id FROM tenants_tenant WHERE id = %s FOR NO KEY UPDATE"
# Postings to the wallets that exist wait as well. In the order in which postings lock them.
LOCK_WALLETS = "SELECT id FROM billing_wallet WHERE tenant_id = %s ORDER BY id FOR NO KEY UPDATE"
SET_WALLETS = """
UPDATE billing_wallet wallet
SET balance = coalesce(newest.balance_after, 0), last_entry_number = coalesce(newest.entry_number, 0), last_entry_at = newest.created_at,
    held = open.remaining
FROM billing_wallet stored
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount - captured), 0) AS remaining FROM billing_wallethold
    WHERE tenant_id = stored.tenant_id AND wallet_id = stored.id AND status = 'active'
) AS open
LEFT JOIN LATERAL (
    SELECT entry_number, balance_after, created_at FROM billing_transaction
    WHERE tenant_id = stored.tenant_id AND wallet_id = stored.id ORDER BY entry_number DESC LIMIT 1
) AS newest ON true
WHERE stored.tenant_id = %s AND wallet.tenant_id = stored.tenant_id AND wallet.id = stored.id
    AND (wallet.balance, wallet.last_entry_number, wallet.last_entry_at, wallet.held)
        IS DISTINCT FROM (coalesce(newest.balance_after, 0), coalesce(newest.entry_number, 0), newest.created_at, open.remaining)
"""
DELETE_TOTALS = "DELETE FROM billing_dailytotal WHERE tenant_id = %s"
INSERT_TOTALS = """
INSERT INTO billing_dailytotal (id, tenant_id, currency, type, day, entries, credits, debits)
SELECT gen_random_uuid(), tenant_id, currency, type, ledger_day(occurred_at), count(*), sum(greatest(effect, 0)),
    sum(greatest(-effect, 0))
FROM billing_transaction WHERE tenant_id = %s GROUP BY tenant_id, currency, type, ledger_day(occurred_at)
"""
# The rebuild takes balances and totals from the entries. If one of these checks fails, the entries are damaged and it stops.
REQUIRED_CHECKS = ("billing_running_balance", "billing_entry_effect")


@translate_db_errors
def rebuild_wallets(*, tenant_id: UUID) -> int:
    """Set a tenant's wallets to what their entries and holds say and recount its daily totals; returns how many wallets were wrong.

    Everything is read after the locks. Raises LedgerBroken, Busy.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_TENANT, [tenant_id])
        cursor.execute(LOCK_WALLETS, [tenant_id])
        required = [check for check in checks.CHECKS if check.name in REQUIRED_CHECKS]
        for violation in find_violations(required, tenant_id=tenant_id):
            raise LedgerBroken(check=violation.check.name, **{name: str(value) for name, value in violation.facts.items()})
        cursor.execute(SET_WALLETS, [tenant_id])
        changed = cursor.rowcount
        cursor.execute(DELETE_TOTALS, [tenant_id])
        cursor.execute(INSERT_TOTALS, [tenant_id])
    return int(changed)
