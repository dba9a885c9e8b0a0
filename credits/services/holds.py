"""Reserving an amount across a customer's grants, and what becomes of it."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits import selectors
from credits.choices import HoldStatus
from credits.errors import HoldClosed, HoldExceeded, InsufficientCredit
from credits.services.draws import draw
from credits.services.outcomes import bytea, conflict
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, NotFound
from kernel.ledger.idempotency import digest

FACTS = ("customer_id", "currency", "metric_id", "amount", "expires_at", "reason")
CLOSE_FACTS = ("amount", "reason", "invoice_id", "billing_run_id")
RACES = frozenset({"credits_hold_idempotency"})


@translate_db_errors
def place_hold(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    amount: Decimal,
    expires_at: datetime,
    currency: str | None = None,
    metric_id: str | None = None,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Any:
    """Reserve an amount in burn-down order until `expires_at`; returns `outcome` (posted or replayed) and `id`.

    Raises InvalidValue, InsufficientCredit (nothing is reserved), IdempotencyConflict.
    """
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    facts = {
        "customer_id": customer_id,
        "currency": currency,
        "metric_id": metric_id,
        "amount": amount,
        "expires_at": expires_at,
        "reason": reason,
    }
    wanted = draw(who, facts=facts, names=FACTS, key=idempotency_key)
    [row] = posting.post("credits_place", [wanted], races=RACES)
    if row.outcome == "conflict":
        raise conflict(row, digest=bytes.fromhex(wanted["facts_digest"][2:]), names=FACTS)
    if row.outcome == "overdue":
        raise InvalidValue(field="expires_at", reason="not_in_the_future")
    if row.outcome == "insufficient":
        held = row.balance - row.available
        raise InsufficientCredit(customer_id=customer_id, balance=row.balance, held=held, available=row.available, requested=amount)
    return row


@translate_db_errors
def capture_hold(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    hold_id: UUID,
    amount: Decimal | None = None,
    reason: str | None = None,
    invoice_id: str | None = None,
    billing_run_id: str | None = None,
) -> Any:
    """Debit what was reserved, or `amount` of it; the rest is released. A hold is captured once: the same again changes nothing.

    What was reserved in time can be captured even where a grant has expired meanwhile. Raises NotFound, HoldClosed, HoldExceeded,
    IdempotencyConflict (captured with other facts).
    """
    facts = {"amount": amount, "reason": reason, "invoice_id": invoice_id, "billing_run_id": billing_run_id}
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    return _settle({**who, "customer_id": customer_id, "hold_id": hold_id}, kind=HoldStatus.CAPTURED, facts=facts)


@translate_db_errors
def release_hold(*, tenant_id: UUID, actor: str, request_id: str, customer_id: str, hold_id: UUID, reason: str | None = None) -> Any:
    """Let go of what is reserved; an overdue hold expires instead. The same again changes nothing. Raises NotFound, HoldClosed."""
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    return _settle({**who, "customer_id": customer_id, "hold_id": hold_id}, kind=HoldStatus.RELEASED, facts={"reason": reason})


@translate_db_errors
def expire_hold(*, tenant_id: UUID, actor: str, request_id: str, hold_id: UUID) -> Any:
    """Close a hold whose time is over; one that isn't, or is closed already, is left alone: see `outcome`."""
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    [row] = posting.post("credits_settle", [{**who, "hold_id": hold_id, "kind": "expired", "now": timezone.now()}])
    return row


def expire_holds(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[Any]:
    """Close every overdue hold, each in a transaction of its own; yields their outcomes."""
    for hold in selectors.overdue_holds(tenant_id=tenant_id, now=timezone.now()):
        yield expire_hold(tenant_id=hold["tenant_id"], actor=actor, request_id=request_id, hold_id=hold["id"])


def _settle(settlement: dict[str, Any], *, kind: str, facts: dict[str, Any]) -> Any:
    amount = facts.get("amount")
    if amount is not None and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    texts = {name: facts.get(name) or "" for name in ("reason", "invoice_id", "billing_run_id")}
    fingerprint = digest(facts, CLOSE_FACTS)
    sent = {**settlement, **texts, "kind": str(kind), "amount": None if amount is None else f"{amount:f}"}
    [row] = posting.post("credits_settle", [{**sent, "now": timezone.now(), "facts_digest": bytea(fingerprint)}])
    match row.outcome:
        case "not_found":
            raise NotFound(kind="hold", id=settlement["hold_id"])
        case "closed":
            raise HoldClosed(hold_id=row.id, status=row.status)
        case "exceeded":
            raise HoldExceeded(hold_id=row.id, held=row.held, requested=amount)
        case "conflict":
            raise conflict(row, digest=fingerprint, names=CLOSE_FACTS)
    return row
