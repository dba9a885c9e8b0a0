"""Expiry: the rest of a grant whose last day is over is debited, dated the day after."""

from collections.abc import Iterator
from datetime import UTC
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits import selectors
from credits.choices import TransactionKind
from credits.services.grants import closing
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors

BATCH = 1000
tenant_of = itemgetter("tenant_id")


def expire_grants(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[list[Any]]:
    """Expire every grant that is due, of all tenants unless one is named; yields the outcomes of one batch after another.

    Each tenant's part of a batch is a transaction of its own, and a grant is expired once however often this runs: a run that was cut
    off is simply repeated.
    """
    # A first choice alone: whether a grant is due is decided under its lock.
    today = timezone.now().astimezone(UTC).date()
    place = None
    while due := selectors.due_grants(today=today, tenant_id=tenant_id, after=place, limit=BATCH):
        yield _expire(due, actor=actor, request_id=request_id)
        place = (due[-1]["expiry_date"], due[-1]["id"])


@translate_db_errors
def _expire(due: list[dict[str, Any]], *, actor: str, request_id: str) -> list[Any]:
    who = {"actor": actor, "request_id": request_id}
    outcomes: list[Any] = []
    for tenant, grants in groupby(sorted(due, key=tenant_of), key=tenant_of):
        items = [closing(who, grant_id=grant["id"], kind=TransactionKind.EXPIRY) for grant in grants]
        outcomes += posting.post("credits_post", items, tenant_id=tenant)
    return outcomes
