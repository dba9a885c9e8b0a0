"""Reads of facts: what was reported about transactions."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.models import Fact
from metering.selectors.rows import RowDict, check_exists

PRICING = ("pricing", "pricing_note", "pricing_fields")


def list_facts(*, tenant_id: UUID, transaction_id: UUID) -> list[RowDict]:
    """What was reported about a transaction, oldest first. Raises NotFound."""
    found = _facts(tenant_id=tenant_id, transaction_id=transaction_id)
    if not found:
        check_exists(tenant_id=tenant_id, transaction_id=transaction_id)
    return found


@prepared
def _facts(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    found = Fact.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("created_at", "id")
    return found.values("id", "source", "version", "phase", "facts", "integration", "call_id", *PRICING, "occurred_at", "created_at")


def list_first_facts(*, tenant_id: UUID, transaction_ids: Iterable[UUID]) -> dict[UUID, RowDict]:
    """What was reported together with transactions that were recorded finished, by transaction; one query."""
    return {fact["transaction_id"]: fact for fact in _first_facts(tenant_id=tenant_id, transaction_ids=list(transaction_ids))}


@prepared
def _first_facts(*, tenant_id: Any, transaction_ids: Any) -> QuerySet[Any, Any]:
    together = {"created_at": F("transaction__created_at"), "facts_digest__isnull": False}
    found = Fact.objects.filter(is_one_of("transaction_id", transaction_ids), tenant_id=tenant_id, **together)
    return found.order_by().values("id", "transaction_id", *PRICING)
