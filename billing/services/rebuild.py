"""What is kept beside the entries, made anew from them: wallets' balances and daily totals, should they ever disagree."""

from uuid import UUID

from django.db import connection, transaction

from billing.integrity import checks
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import BookBroken
from kernel.ledger.integrity.checks import find_violations

# Recording waits meanwhile; what it adds comes on top of what was counted.
LOCK_WALLETS = "SELECT id FROM billing_wallet WHERE tenant_id = %s ORDER BY tenant_id, currency FOR UPDATE"
SET_WALLETS = """
UPDATE billing_wallet wallet
SET balance = coalesce(newest.balance_after, 0), last_entry_number = coalesce(newest.entry_number, 0), last_entry_at = newest.created_at
FROM billing_wallet kept
LEFT JOIN LATERAL (
    SELECT entry_number, balance_after, created_at FROM billing_transaction
    WHERE tenant_id = kept.tenant_id AND wallet_id = kept.id ORDER BY entry_number DESC LIMIT 1
) AS newest ON true
WHERE kept.tenant_id = %s AND wallet.tenant_id = kept.tenant_id AND wallet.id = kept.id
    AND (wallet.balance, wallet.last_entry_number, wallet.last_entry_at)
        IS DISTINCT FROM (coalesce(newest.balance_after, 0), coalesce(newest.entry_number, 0), newest.created_at)
"""
FORGET_TOTALS = "DELETE FROM billing_dailytotal WHERE tenant_id = %s"
COUNT_TOTALS = """
INSERT INTO billing_dailytotal (id, tenant_id, currency, type, day, entries, credits, debits)
SELECT gen_random_uuid(), tenant_id, currency, type, (occurred_at AT TIME ZONE 'UTC')::date, count(*), sum(greatest(effect, 0)),
    sum(greatest(-effect, 0))
FROM billing_transaction WHERE tenant_id = %s GROUP BY tenant_id, currency, type, (occurred_at AT TIME ZONE 'UTC')::date
"""
# What a rebuild rests on: where these don't hold, the entries themselves are wrong, and nothing can be made of them.
GROUND = ("billing_chain", "billing_effect")


@translate_db_errors
def rebuild_wallets(*, tenant_id: UUID) -> int:
    """Set a tenant's wallets to what their entries say and count its days anew; how many wallets were wrong. Raises BookBroken, Busy."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_WALLETS, [tenant_id])
        ground = [check for check in checks.CHECKS if check.name in GROUND]
        for violation in find_violations(ground, tenant_id=tenant_id):
            raise BookBroken(check=violation.check.name, **{name: str(value) for name, value in violation.facts.items()})
        cursor.execute(SET_WALLETS, [tenant_id])
        changed = cursor.rowcount
        cursor.execute(FORGET_TOTALS, [tenant_id])
        cursor.execute(COUNT_TOTALS, [tenant_id])
    return int(changed)
