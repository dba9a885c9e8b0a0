"""Reads of a tenant's transaction types."""

from typing import Any
from uuid import UUID

from billing.choices import SHIPPED_TYPES
from billing.models import TransactionType


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
