"""Calls about one payment: captures in parts, and a later end."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError, NotFound
from kernel.ledger.moments import check_moment
from kernel.ledger.money import trimmed_digits
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS
from metering.paying.digests import CAPTURE_FACTS, EXTENSION_FACTS, capture_digest, extension_digest
from metering.paying.errors import HoldOfPaymentEnded, PaymentClosed, PaymentCollected, PaymentExceeded


@translate_db_errors
def capture_payment(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    payment_id: UUID,
    amount: Decimal | None = None,
    final: bool = True,
    idempotency_key: str | None = None,
) -> Posted:
    """Debit what a prepaid payment holds, or `amount` of it, credits first; the rest is released, unless `final` is false.

    The captures of a payment never take more than it holds. One that isn't final needs an `idempotency_key`; a final one happens once, so
    repeating it changes nothing. What was captured is then the cost of the transaction, in place of its estimates in that currency. Returns
    the row of paying_capture. Raises NotFound, PaymentClosed, PaymentCollected, PaymentExceeded, HoldOfPaymentEnded, IdempotencyConflict,
    InvalidValue, Busy.
    """
    if amount is not None and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    if not final and idempotency_key is None:
        raise InvalidValue(field="idempotency_key", reason="missing")
    call = {"transaction_id": transaction_id, "payment_id": payment_id, "idempotency_key": idempotency_key}
    facts = {"amount": None if amount is None else f"{amount:f}", "final": final}
    return _post(
        "paying_capture",
        call | facts | {"actor": actor, "request_id": request_id},
        tenant_id=tenant_id,
        facts_digest=capture_digest({"payment": payment_id, "amount": amount, "final": final}),
        names=CAPTURE_FACTS,
        errors=_errors(payment_id, amount),
        is_recorded=partial(_is_recorded, amount),
    )


def _is_recorded(amount: Decimal | None, row: Any, name: str) -> bool:
    """A capture without an amount, and one of all that was held then, are the same."""
    return name == "amount" and bool(row.taken == (row.amount - row.captured + row.taken if amount is None else amount))


@translate_db_errors
def extend_payment(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    payment_id: UUID,
    expires_at: datetime,
    idempotency_key: str | None,
) -> Posted:
    """Hold a payment's money for longer, once for each key. Returns the row of paying_extend.

    Of the payment of a 402 it is then also collected for longer; until when it may be presented stays as it is. Raises NotFound,
    PaymentClosed, HoldOfPaymentEnded, IdempotencyConflict, Busy, and InvalidValue where there is no key, or the moment isn't later than the
    present end, or later than the policies of the ledgers allow.
    """
    if idempotency_key is None:
        raise InvalidValue(field="idempotency_key", reason="missing")
    check_moment("expires_at", expires_at)
    call = {"transaction_id": transaction_id, "payment_id": payment_id, "idempotency_key": idempotency_key}
    return _post(
        "paying_extend",
        call | {"expires_at": expires_at, "actor": actor, "request_id": request_id},
        tenant_id=tenant_id,
        facts_digest=extension_digest({"payment": payment_id, "expires_at": expires_at}),
        names=EXTENSION_FACTS,
        errors=_errors(payment_id),
    )


def _post(
    function: str,
    item: Mapping[str, Any],
    *,
    tenant_id: UUID,
    facts_digest: bytes,
    names: Sequence[str],
    errors: Mapping[str, Callable[[Any], LedgerError]],
    is_recorded: Callable[[Any, str], bool] | None = None,
) -> Posted:
    """What a posting function of one payment posted, or what an earlier call with the same key did. Raises the error that refused it."""
    items = [{**item, "facts_digest": facts_digest.hex()}]
    [row] = posting.post(function, items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_MONEY_CONSTRAINTS)
    return or_raise(posted_or_error(row, facts_digest=facts_digest, names=names, errors=errors, is_recorded=is_recorded))


def _errors(payment_id: UUID, amount: Decimal | None = None) -> dict[str, Callable[[Any], LedgerError]]:
    digits = trimmed_digits
    return {
        "not_found": lambda row: NotFound(kind="payment", id=payment_id),
        "collected": lambda row: PaymentCollected(id=payment_id),
        "closed": lambda row: PaymentClosed(id=payment_id, status=row.status),
        "hold_ended": lambda row: HoldOfPaymentEnded(id=payment_id),
        "exceeded": lambda row: PaymentExceeded(id=payment_id, held=digits(row.held), requested=digits(amount or row.held)),
        "not_later": lambda row: InvalidValue(field="expires_at", reason="hold_not_later", min=row.expires_at),
        "too_long": lambda row: InvalidValue(field="expires_at", reason="hold_too_long", max=row.latest),
    }
