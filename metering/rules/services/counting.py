"""How a change of a rule reaches the decisions: the lock of a tenant's rules, and what follows from a change."""

from uuid import UUID

from django.db import connection


def lock_rules(*, tenant_id: UUID) -> None:
    """Lock the tenant's rules until the transaction ends: every change of a rule calls this first, so that rules change one by one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('rules:' || %s, 0))", [str(tenant_id)])


def rules_changed(*, tenant_id: UUID, rule_id: UUID) -> None:
    """Make a change of a rule count for the next decision: called at the end of the change, in its transaction."""
