"""Expiry: debits what is left of a grant past its last day, dated the day after that day."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from credits import selectors
from credits.choices import TransactionKind
from credits.services.grants import closing_outcome, make_closing
from credits.services.posting_rows import TransactionRow
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.outcomes import Posted, or_raise

BATCH = 1000
tenant_of = itemgetter("tenant_id")


def expire_grants(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[list[Posted[TransactionRow]]]:
    """Expire every grant that is due, of all tenants unless one is named; yields the outcomes of each batch.

    Each tenant's part of a batch is a transaction of its own. A grant is expired once however often this runs, so an interrupted run can
    be repeated. The selector only chooses candidates: whether a grant is due is decided under its lock.
    """
    last = None
    while due := selectors.due_grants(tenant_id=tenant_id, after=last, limit=BATCH):
        yield _expire(due, actor=actor, request_id=request_id)
        last = (due[-1]["expiry_date"], due[-1]["id"])


@translate_db_errors
def _expire(due: list[dict[str, Any]], *, actor: str, request_id: str) -> list[Posted[TransactionRow]]:
    audit = {"actor": actor, "request_id": request_id}
    outcomes: list[Posted[TransactionRow]] = []
    for tenant, grants in groupby(sorted(due, key=tenant_of), key=tenant_of):
        items = [make_closing(audit, grant_id=grant["id"], kind=TransactionKind.EXPIRY) for grant in grants]
        rows = posting.post("credits_post", items, tenant_id=tenant)
        outcomes += [or_raise(closing_outcome(row)) for row in rows]
    return outcomes
