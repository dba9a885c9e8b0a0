"""Which of billing's near-duplicates wait for a decision, and which somebody has decided to keep."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from backoffice.models import KeptDuplicate

_KEPT = Exists(KeptDuplicate.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("pk")))


def undecided_duplicates(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of billing's entries those that are flagged as near-duplicates and that nobody has reversed or kept.

    A partial index holds only flagged ones.
    """
    return rows.exclude(flags=[]).filter(~_KEPT, reversed_by__isnull=True)


def kept_duplicates(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of billing's entries the near-duplicates that somebody has decided to keep."""
    return rows.exclude(flags=[]).filter(_KEPT)
