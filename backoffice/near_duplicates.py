"""Billing's near-duplicates: which wait for a decision, which somebody has decided to keep, and the decision itself."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from backoffice.models import KeptDuplicate
from billing.models import Transaction

_KEPT = Exists(KeptDuplicate.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("pk")))


def undecided_duplicates(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of billing's entries those that are flagged as near-duplicates and that nobody has reversed or kept.

    A partial index holds only flagged ones.
    """
    return rows.exclude(flags=[]).filter(~_KEPT, reversed_by__isnull=True)


def kept_duplicates(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of billing's entries the near-duplicates that somebody has decided to keep."""
    return rows.exclude(flags=[]).filter(_KEPT)


def keep_duplicates(rows: Iterable[Transaction], *, reason: str, actor: str) -> None:
    """Decide that entries repeat none. Where one was decided before, the first decision stands."""
    decisions = [KeptDuplicate(tenant_id=row.tenant_id, transaction_id=row.pk, reason=reason, decided_by=actor) for row in rows]
    KeptDuplicate.objects.bulk_create(decisions, ignore_conflicts=True)
