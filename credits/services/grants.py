"""Grants: making them, and closing them before their time."""

from collections.abc import Mapping
from datetime import UTC, date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits.choices import Category, TransactionKind, TransactionType, UnitType
from credits.services.outcomes import DONE, bytea, conflict, refusal_of
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, NotFound
from kernel.ledger.idempotency import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency

FACTS = (
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "amount",
    "cost_of_credit",
    "effective_date",
    "expiry_date",
    "category",
    "priority",
)
RACES = frozenset({"credits_grant_idempotency", "credits_grant_pkey"})


@translate_db_errors
def create_grant(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    name: str,
    unit_type: str,
    currency: str,
    amount: Decimal,
    metric_id: str | None = None,
    cost_of_credit: Decimal | None = None,
    effective_date: date | None = None,
    expiry_date: date | None = None,
    category: str = Category.PAID,
    priority: int = 50,
    idempotency_key: str | None = None,
    grant_id: UUID | None = None,
) -> Any:
    """Make a grant with its opening transaction; returns its row, whose `outcome` is posted or replayed.

    `amount`: units of the grant, > 0. `cost_of_credit`: what the customer paid for all of it. Dates are days in UTC, both inclusive;
    `effective_date` defaults to today. Raises InvalidValue, IdempotencyConflict (also where `grant_id` is taken by another grant).
    """
    facts = {
        "customer_id": customer_id,
        "name": name,
        "unit_type": unit_type,
        "currency": currency,
        "metric_id": metric_id if unit_type == UnitType.METRIC else None,
        "amount": amount,
        "cost_of_credit": cost_of_credit,
        "effective_date": effective_date,
        "expiry_date": expiry_date,
        "category": category,
        "priority": priority,
    }
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    [row] = open_grants([opening(who, facts=facts, key=idempotency_key, grant_id=grant_id)])
    return row


def opening(
    who: Mapping[str, Any], *, facts: Mapping[str, Any], key: str | None = None, grant_id: UUID | None = None, **more: Any
) -> dict[str, Any]:
    """A grant to be made, as `credits_open` reads it. Raises InvalidValue."""
    now = timezone.now()
    # A day left to us is not a fact of the caller's: the same call tomorrow is still the same.
    fingerprint = digest(facts, FACTS)
    _check(facts)
    effective_date = facts["effective_date"] or now.astimezone(UTC).date()
    return {
        **who,
        **facts,
        "id": grant_id or new_id(),
        "entry_id": new_id(),
        "amount": f"{facts['amount']:f}",
        "cost_of_credit": None if facts["cost_of_credit"] is None else f"{facts['cost_of_credit']:f}",
        "metric_id": facts["metric_id"] or "",
        "effective_date": effective_date,
        "now": now,
        "idempotency_key": key,
        "facts_digest": bytea(fingerprint),
        **more,
    }


def open_grants(openings: list[dict[str, Any]]) -> list[Any]:
    """The rows of grants made, or found made before. Raises IdempotencyConflict."""
    rows = posting.post("credits_open", openings, races=RACES)
    for row, wanted in zip(rows, openings, strict=True):
        if row.outcome == "conflict":
            raise conflict(row, digest=bytes.fromhex(wanted["facts_digest"][2:]), names=FACTS)
    return rows


@translate_db_errors
def delete_grant(*, tenant_id: UUID, actor: str, request_id: str, grant_id: UUID) -> Any:
    """Take back a grant that nothing has moved; once deleted, deleting it again changes nothing. Raises NotFound, GrantDrawnOn."""
    return _close(tenant_id=tenant_id, actor=actor, request_id=request_id, grant_id=grant_id, kind=TransactionKind.DELETION, reason="")


@translate_db_errors
def void_grant(*, tenant_id: UUID, actor: str, request_id: str, grant_id: UUID, reason: str) -> Any:
    """Close a grant for good, debiting what is left; once voided, voiding it again changes nothing. Raises NotFound, GrantHeld."""
    return _close(tenant_id=tenant_id, actor=actor, request_id=request_id, grant_id=grant_id, kind=TransactionKind.VOID, reason=reason)


def closing(who: Mapping[str, Any], *, grant_id: UUID, kind: str, reason: str = "") -> dict[str, Any]:
    """A posting that debits what is left of a grant, as `credits_post` reads it."""
    return {
        **who,
        "id": new_id(),
        "grant_id": grant_id,
        "kind": str(kind),
        "type": str(TransactionType.DEBIT),
        "reason": reason,
        "invoice_id": "",
        "now": timezone.now(),
    }


def _close(*, grant_id: UUID, kind: str, reason: str, **who: Any) -> Any:
    [row] = posting.post("credits_post", [closing(who, grant_id=grant_id, kind=kind, reason=reason)])
    if row.outcome == "not_found":
        raise NotFound(kind="grant", id=grant_id)
    if row.outcome not in DONE:
        raise refusal_of(row, requested=None)
    return row


def _check(facts: Mapping[str, Any]) -> None:
    """Raises InvalidValue for what each field allows and a grant doesn't."""
    if facts["unit_type"] == UnitType.METRIC and not facts["metric_id"]:
        raise InvalidValue(field="metric_id", reason="missing")
    if not is_currency(facts["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    # Against a day left to us the database decides: a repeated call may come when that day would be another.
    if facts["expiry_date"] and facts["effective_date"] and facts["expiry_date"] < facts["effective_date"]:
        raise InvalidValue(field="expiry_date", reason="before_effective_date")
    if not 0 <= facts["priority"] <= 100:
        raise InvalidValue(field="priority", reason="out_of_range")
