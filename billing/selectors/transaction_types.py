"""Reads of a tenant's transaction types."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from billing.choices import SHIPPED_TYPES, type_in_words
from billing.models import DailyTotal, Transaction, TransactionType


def list_types(*, tenant_id: UUID) -> list[dict[str, Any]]:
    """The tenant's catalogue by code: the shipped types, its own, and those that came in uncatalogued.

    A tenant's own row replaces the shipped type of the same code.
    """
    shipped: dict[str, dict[str, Any]] = {
        code: {"code": code, "label": label, "direction": str(direction), "is_catalogued": True}
        for code, (label, direction) in SHIPPED_TYPES.items()
    }
    own = TransactionType.objects.filter(tenant_id=tenant_id).values("code", "label", "direction", "is_catalogued")
    types = shipped | {row["code"]: dict(row) for row in own}
    return [types[code] for code in sorted(types)]


def set_type_labels(rows: Iterable[Transaction | DailyTotal]) -> None:
    """Keep in each row what its tenant calls its type, read in one query: `billing.models.type_label` says it from then on."""
    found = list(rows)
    tenants, codes = {row.tenant_id for row in found}, {row.type for row in found}
    own = TransactionType.objects.filter(tenant_id__in=tenants, code__in=codes, is_catalogued=True) if found else ()
    labels = {(kind.tenant_id, kind.code): kind.label for kind in own}
    for row in found:
        row.__dict__["type_label"] = labels.get((row.tenant_id, row.type)) or type_in_words(row.type)


def type_labels(*, tenant_id: UUID) -> dict[str, str]:
    """What the tenant calls each type of its catalogue, by code."""
    return {row["code"]: row["label"] if row["is_catalogued"] else type_in_words(row["code"]) for row in list_types(tenant_id=tenant_id)}
