"""Holds: reserve an amount across a customer's grants, then capture, extend, release or expire it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from credits import selectors
from credits.digests import HOLD_CLOSE_FACTS, HOLD_EXTENSION_FACTS, HOLD_FACTS
from credits.services.consumption import insufficient_credit_error
from credits.services.draws import make_draw
from credits.services.posting_rows import EndedHoldRow, ExtendedHoldRow, PlacedHoldRow
from credits.services.text_forms import digest_from_json, digest_to_json
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError, NotFound
from kernel.ledger.fact_digests import digest
from kernel.ledger.holds import HoldClosed, HoldExceeded, HoldStatus
from kernel.ledger.moments import check_moment
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_hold_idempotency", "credits_holdcall_idempotency"})


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
) -> Posted[PlacedHoldRow]:
    """Reserve an amount in burn-down order until `expires_at`.

    Raises InvalidValue, InsufficientCredit (nothing is reserved), IdempotencyConflict.
    """
    check_moment("expires_at", expires_at)
    facts = {
        "customer_id": customer_id,
        "currency": currency,
        "metric_id": metric_id,
        "amount": amount,
        "expires_at": expires_at,
        "reason": reason,
    }
    wanted = make_draw({"actor": actor, "request_id": request_id}, facts=facts, names=HOLD_FACTS, key=idempotency_key)
    return _post(
        "credits_place_hold",
        wanted,
        tenant_id=tenant_id,
        names=HOLD_FACTS,
        errors={
            "overdue": lambda row: InvalidValue(field="expires_at", reason="not_in_the_future"),
            "too_long": lambda row: InvalidValue(field="expires_at", reason="hold_too_long", max=row.latest),
            "insufficient": lambda row: insufficient_credit_error(row, wanted),
        },
    )


@translate_db_errors
def capture_hold(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    hold_id: UUID,
    amount: Decimal | None = None,
    final: bool = True,
    reason: str | None = None,
    invoice_id: str | None = None,
    billing_run_id: str | None = None,
    idempotency_key: str | None = None,
) -> Posted[EndedHoldRow]:
    """Debit what is reserved, or `amount` of it, in burn-down order; the rest is released, unless `final` is false.

    The captures of a hold never take more than it reserved. One that isn't final needs an `idempotency_key`; a final one happens once, so
    repeating it changes nothing. A hold can be captured even if one of its grants has expired since it was placed. Raises NotFound,
    HoldClosed, HoldExceeded, IdempotencyConflict, InvalidValue.
    """
    if not final and idempotency_key is None:
        raise InvalidValue(field="idempotency_key", reason="missing")
    facts = {
        "amount": amount,
        "reason": reason,
        "invoice_id": invoice_id,
        "billing_run_id": billing_run_id,
        "final": None if final else False,
    }
    named = {"actor": actor, "request_id": request_id, "customer_id": customer_id, "hold_id": hold_id}
    call = {**named, "final": final, "idempotency_key": idempotency_key}
    return _end_hold(call, tenant_id=tenant_id, kind=HoldStatus.CAPTURED, facts=facts)


@translate_db_errors
def extend_hold(
    *, tenant_id: UUID, actor: str, request_id: str, customer_id: str, hold_id: UUID, expires_at: datetime, idempotency_key: str | None
) -> Posted[ExtendedHoldRow]:
    """Give a hold a later end, once for each key.

    Raises NotFound, HoldClosed, IdempotencyConflict, and InvalidValue where there is no key, or the moment isn't later than the present
    end, or later than the policy allows.
    """
    if idempotency_key is None:
        raise InvalidValue(field="idempotency_key", reason="missing")
    check_moment("expires_at", expires_at)
    facts_digest = digest({"hold": str(hold_id), "expires_at": expires_at}, HOLD_EXTENSION_FACTS)
    named = {"actor": actor, "request_id": request_id, "customer_id": customer_id, "hold_id": hold_id}
    extension = {**named, "expires_at": expires_at, "idempotency_key": idempotency_key, "facts_digest": digest_to_json(facts_digest)}
    return _post(
        "credits_extend_hold",
        extension,
        tenant_id=tenant_id,
        names=HOLD_EXTENSION_FACTS,
        errors={
            "not_found": lambda row: NotFound(kind="hold", id=hold_id),
            "closed": lambda row: HoldClosed(hold_id=row.id, status=row.status),
            "not_later": lambda row: InvalidValue(field="expires_at", reason="hold_not_later", min=row.expires_at),
            "too_long": lambda row: InvalidValue(field="expires_at", reason="hold_too_long", max=row.latest),
        },
    )


@translate_db_errors
def release_hold(
    *, tenant_id: UUID, actor: str, request_id: str, customer_id: str, hold_id: UUID, reason: str | None = None
) -> Posted[EndedHoldRow]:
    """Release what is still reserved; an overdue hold expires instead. Repeating the call changes nothing. Raises NotFound, HoldClosed."""
    named = {"actor": actor, "request_id": request_id, "customer_id": customer_id, "hold_id": hold_id}
    return _end_hold(named, tenant_id=tenant_id, kind=HoldStatus.RELEASED, facts={"reason": reason})


@translate_db_errors
def expire_hold(*, tenant_id: UUID, actor: str, request_id: str, hold_id: UUID) -> Posted[EndedHoldRow]:
    """Close an overdue hold; nothing to do where it isn't overdue, or was ended otherwise. Raises NotFound."""
    hold_end = {"actor": actor, "request_id": request_id, "hold_id": hold_id, "kind": str(HoldStatus.EXPIRED)}
    [row] = posting.post("credits_capture_or_end_hold", [hold_end], tenant_id=tenant_id)
    errors: dict[str, Callable[[Any], LedgerError]] = {"not_found": lambda row: NotFound(kind="hold", id=hold_id)}
    return or_raise(posted_or_error(row, facts_digest=None, names=(), errors=errors, nothing_to_do=("not_due", "closed")))


def expire_holds(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[Posted[EndedHoldRow]]:
    """Close every overdue hold, each in a transaction of its own; yields their outcomes."""
    for hold in selectors.overdue_holds(tenant_id=tenant_id):
        yield expire_hold(tenant_id=hold["tenant_id"], actor=actor, request_id=request_id, hold_id=hold["id"])


def _end_hold(named: dict[str, Any], *, tenant_id: UUID, kind: str, facts: dict[str, Any]) -> Posted[EndedHoldRow]:
    amount = facts.get("amount")
    if amount is not None and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    texts = {name: facts.get(name) or "" for name in ("reason", "invoice_id", "billing_run_id")}
    hold_id = named["hold_id"]
    facts_digest = digest({**facts, "hold": str(hold_id) if named.get("idempotency_key") else None}, HOLD_CLOSE_FACTS)
    end = {"kind": str(kind), "amount": None if amount is None else f"{amount:f}", "facts_digest": digest_to_json(facts_digest)}
    return _post(
        "credits_capture_or_end_hold",
        {**named, **texts, **end},
        tenant_id=tenant_id,
        names=HOLD_CLOSE_FACTS,
        is_recorded=partial(_is_recorded, amount, named.get("idempotency_key")),
        errors={
            "not_found": lambda row: NotFound(kind="hold", id=hold_id),
            "closed": lambda row: HoldClosed(hold_id=row.id, status=row.status),
            "exceeded": lambda row: HoldExceeded(hold_id=row.id, held=row.held, requested=amount),
        },
    )


def _post(
    function: str,
    hold_call: Mapping[str, Any],
    *,
    tenant_id: UUID,
    names: Sequence[str],
    errors: Mapping[str, Callable[[Any], LedgerError]],
    is_recorded: Callable[[Any, str], bool] | None = None,
) -> Posted[Any]:
    """What a posting function of holds posted, or what an earlier call with the same key did. Raises the error that refused the call."""
    [row] = posting.post(function, [hold_call], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    facts_digest = digest_from_json(hold_call["facts_digest"])
    return or_raise(posted_or_error(row, facts_digest=facts_digest, names=names, errors=errors, is_recorded=is_recorded))


def _is_recorded(amount: Decimal | None, key: str | None, row: Any, name: str) -> bool:
    """Whether the row records what this call says of a fact. A capture without an amount is the same as one of all that was reserved then;
    a call that states no key is the same as one with the key that the hold was ended with."""
    if name == "hold":
        return key is None
    return name == "amount" and row.taken is not None and row.taken == (row.amount - row.captured + row.taken if amount is None else amount)
