"""Makes the rollups anew from the rows, should they ever disagree."""

from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors


@translate_db_errors
def rebuild_rollups(*, tenant_id: UUID) -> None:
    """Make a tenant's sums anew. Every call that records waits meanwhile. Raises Busy."""
    posting.run("SELECT metering_rebuild_rollups(%s)", [tenant_id])
