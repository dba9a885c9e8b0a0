"""How a change of a rule reaches the decisions: the lock of a tenant's rules, and what follows from a change."""

from uuid import UUID

from kernel.ledger import queries

# So many transactions of history are counted within the call that makes a rule; more are left to the job, a page at a time.
SEEDED_AT_ONCE = 20_000
SEEDED_PER_PAGE = 5_000
CLEANED_PER_PAGE = 500
DROPPED_PER_PAGE = 10_000


def lock_rules(*, tenant_id: UUID) -> None:
    """Lock the tenant's rules until the transaction ends: every change of a rule calls this first, so that rules change one by one.

    Waits for the tenant's postings under way, and none begins meanwhile: what a change counts from before it is complete.
    """
    queries.fetch_rows("SELECT pg_advisory_xact_lock(rules_lock_number(%s))", [tenant_id])


def rules_changed(*, tenant_id: UUID, rule_id: UUID, actor: str = "") -> None:
    """Make a change of a rule count for the next decision: called at the end of the change, in its transaction."""
    queries.fetch_rows("SELECT rules_apply_change(%s, %s, %s, %s)", [tenant_id, rule_id, actor, SEEDED_AT_ONCE])
