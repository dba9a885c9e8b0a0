"""Recomputes the rollups from the rows: the repair after an integrity check found them wrong."""

from uuid import UUID

from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors


@translate_db_errors
def rebuild_rollups(*, tenant_id: UUID) -> None:
    """Recompute a tenant's rollups. Every call that records waits meanwhile. Raises Busy."""
    queries.fetch_rows("SELECT metering_rebuild_rollups(%s)", [tenant_id])
