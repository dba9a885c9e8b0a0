"""Recomputes grants' balances and held amounts from transactions and hold lines, should they ever disagree."""

from uuid import UUID

from django.db import connection, transaction

from credits.integrity import checks
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerBroken
from kernel.ledger.integrity.checks import find_violations

# Postings to these grants wait, and add to the recomputed balance.
LOCK_GRANTS = "SELECT id FROM credits_grant WHERE tenant_id = %s ORDER BY tenant_id, id FOR UPDATE"
SET_GRANTS = """
UPDATE credits_grant grant_row
SET balance = newest.balance_after, last_entry_number = newest.entry_number, last_entry_at = newest.created_at, held = line.remaining
FROM credits_grant stored
CROSS JOIN LATERAL (
    SELECT entry_number, balance_after, created_at FROM credits_transaction
    WHERE tenant_id = stored.tenant_id AND grant_id = stored.id ORDER BY entry_number DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT coalesce(sum(remaining), 0) AS remaining FROM credits_holdline WHERE tenant_id = stored.tenant_id AND grant_id = stored.id
) AS line
WHERE stored.tenant_id = %s AND grant_row.tenant_id = stored.tenant_id AND grant_row.id = stored.id
    AND (grant_row.balance, grant_row.last_entry_number, grant_row.last_entry_at, grant_row.held)
        IS DISTINCT FROM (newest.balance_after, newest.entry_number, newest.created_at, line.remaining)
"""
# Where these are broken the entries themselves are wrong, and nothing can be recomputed from them.
REQUIRED_CHECKS = ("credits_running_balance",)


@translate_db_errors
def rebuild_grants(*, tenant_id: UUID) -> int:
    """Set a tenant's grants to the sums of their transactions and holds; returns how many were wrong. Raises LedgerBroken, Busy."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_GRANTS, [tenant_id])
        required = [check for check in checks.CHECKS if check.name in REQUIRED_CHECKS]
        for violation in find_violations(required, tenant_id=tenant_id):
            raise LedgerBroken(check=violation.check.name, **{name: str(value) for name, value in violation.facts.items()})
        cursor.execute(SET_GRANTS, [tenant_id])
        return int(cursor.rowcount)
