"""The end of payments that their transactions leave open."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerError, NotFound
from kernel.ledger.outcomes import POSTED, Posted, or_raise, posted_or_error
from metering.errors import PaymentPresented
from metering.paying import selectors
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS, PaymentStatus
from metering.paying.errors import PaymentClosed

PAGE = 500


@translate_db_errors
def release_payment(*, tenant_id: UUID, actor: str, request_id: str, payment_id: UUID, reason: str) -> Posted:
    """Release what a payment still holds. Its transaction stays open, and what it costs in the end is debited when it is completed.

    Repeating the call changes nothing. Raises NotFound, PaymentClosed, PaymentPresented, Busy.
    """
    [row] = _end([payment_id], tenant_id=tenant_id, actor=actor, request_id=request_id, kind=PaymentStatus.RELEASED, reason=reason)
    errors: dict[str, Callable[[Any], LedgerError]] = {
        "not_found": lambda row: NotFound(kind="payment", id=payment_id),
        "closed": lambda row: PaymentClosed(id=payment_id, status=row.status),
        "presented": lambda row: PaymentPresented(payment_id=payment_id),
    }
    return or_raise(posted_or_error(row, facts_digest=None, names=(), errors=errors))


def expire_payments(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> int:
    """Close every overdue payment, each in a transaction of its own; how many. They hold nothing from their moment on, closed or not."""
    closed = 0
    while overdue := selectors.list_overdue_payments(tenant_id=tenant_id, limit=PAGE):
        ended = sum(
            row.outcome == POSTED
            for payment in overdue
            for row in _end([payment["id"]], tenant_id=payment["tenant_id"], actor=actor, request_id=request_id, kind=PaymentStatus.EXPIRED)
        )
        closed += ended
        if not ended:
            break
    return closed


def _end(payment_ids: list[UUID], *, tenant_id: UUID, actor: str, request_id: str, kind: str, reason: str = "") -> list[Any]:
    asked = {"kind": str(kind), "reason": reason, "actor": actor, "request_id": request_id}
    postings = [asked | {"payment_id": payment_id} for payment_id in payment_ids]
    return posting.post("paying_end_payments", postings, tenant_id=tenant_id, retryable_constraints=RETRYABLE_MONEY_CONSTRAINTS)
