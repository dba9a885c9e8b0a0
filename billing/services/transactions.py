"""Records transactions in a tenant's wallets, and reverses them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.choices import ReversalReason
from billing.services.postings import RETRYABLE_CONSTRAINTS, make_posting, read_posting
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.outcomes import Posted, or_raise


@translate_db_errors
def record_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str = "",
    amount: Decimal,
    type: str,
    reference_id: str,
    agent_id: str | None = None,
    description: str | None = None,
    currency: str | None = None,
    occurred_at: datetime | None = None,
    metadata: str | None = None,
) -> Posted:
    """Record one entry in the tenant's wallet of `currency` (default: the tenant's own), once for each (type, reference_id).

    `amount` is a magnitude where the type's direction gives the sign, and signed otherwise. `metadata` is the text of a JSON object.
    Returns the entry's row; `replayed` where an earlier call with the same facts recorded it. Raises InvalidValue, UnknownType,
    IdempotencyConflict, Insufficient, OutOfRange.
    """
    facts = {
        "amount": amount,
        "type": type,
        "reference_id": reference_id,
        "agent_id": agent_id,
        "description": description,
        "currency": currency,
        "occurred_at": occurred_at,
        "metadata": metadata,
    }
    return _post_one(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str = "", transactions: Sequence[Mapping[str, Any]], atomic: bool = False
) -> list[Posted | LedgerError | None]:
    """Record many entries in one call; each item has the arguments of `record_transaction`. One outcome for each: Posted or its error.

    `atomic`: all or nothing. If one is refused nothing is recorded, and the outcome of each that would have been is None.
    """
    outcomes: list[Any] = [_posting_or_error(item, actor=actor, request_id=request_id) for item in transactions]
    indexes = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, LedgerError)]
    if not indexes or (atomic and len(indexes) < len(outcomes)):
        return [outcome if isinstance(outcome, LedgerError) else None for outcome in outcomes]
    items = [outcomes[index] for index in indexes]
    posted = _post_atomically(tenant_id, items) if atomic else _post(tenant_id, items)
    for index, outcome in zip(indexes, posted, strict=True):
        outcomes[index] = outcome
    return outcomes


@translate_db_errors
def reverse_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str = "",
    transaction_id: UUID,
    reason_code: str,
    reason: str = "",
    amount: Decimal | None = None,
    reference_id: str | None = None,
    description: str | None = None,
    occurred_at: datetime | None = None,
    metadata: str | None = None,
) -> Posted:
    """Reverse a transaction, by an entry of the same type with the opposite effect.

    `amount` is the magnitude of the part to reverse. It requires a `reference_id`, which tells a repeated call from a second one. Without
    an amount all that remains is reversed, which can happen once. Returns the reversal's row, as record_transaction. Raises NotFound,
    AlreadyReversed, NotReversible, ExceedsOriginal, Insufficient, OutOfRange, IdempotencyConflict, InvalidValue.
    """
    if reason_code not in ReversalReason.values:
        raise InvalidValue(field="reason_code", reason="unknown_choice", value=reason_code, choices=list(ReversalReason.values))
    if amount is not None and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive", value=amount)
    if amount is not None and reference_id is None:
        raise InvalidValue(field="reference_id", reason="missing")
    facts = {
        "amount": amount,
        "reference_id": reference_id,
        "description": description,
        "occurred_at": occurred_at,
        "metadata": metadata,
        "reverses": transaction_id,
        "reason_code": reason_code,
        "reason": reason,
    }
    return _post_one(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)


def _post_one(facts: Mapping[str, Any], *, tenant_id: UUID, actor: str, request_id: str) -> Posted:
    """Post one transaction. Raises the LedgerError that refused it."""
    item = make_posting(facts, actor=actor, request_id=request_id)
    wallet = ("billing", tenant_id, item["currency"])
    row = posting.post_one("billing_post", item, tenant_id=tenant_id, serialization_key=wallet, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return or_raise(_as_first_posted(read_posting(row, item)))


def _as_first_posted(outcome: Posted | LedgerError) -> Posted | LedgerError:
    """A replay without the reversals that came later: they alone change a row, and a repeated call gets the first reply."""
    if isinstance(outcome, Posted) and outcome.replayed:
        return Posted(outcome.row._replace(reversed_amount=Decimal(0), reversed_by_id=None), replayed=True)
    return outcome


def _posting_or_error(item: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any] | LedgerError:
    try:
        return make_posting(item, actor=actor, request_id=request_id)
    except InvalidValue as error:
        return error


def _post(tenant_id: UUID, items: Sequence[Mapping[str, Any]]) -> list[Posted | LedgerError]:
    """For each posting its row, or the LedgerError that refused it."""
    rows = posting.post("billing_post", items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [_as_first_posted(read_posting(row, item)) for row, item in zip(rows, items, strict=True)]


def _post_atomically(tenant_id: UUID, items: Sequence[Mapping[str, Any]]) -> list[Posted | LedgerError | None]:
    with transaction.atomic():
        outcomes = _post(tenant_id, items)
        if not any(isinstance(outcome, LedgerError) for outcome in outcomes):
            return list(outcomes)
        transaction.set_rollback(True)
    sent = {item["id"] for item in items}
    return [_after_rollback(outcome, sent) for outcome in outcomes]


def _after_rollback(outcome: Posted | LedgerError, sent: set[UUID]) -> Posted | LedgerError | None:
    """What stays true of an outcome when its call is rolled back: errors, and replays of entries that were there before the call."""
    if isinstance(outcome, LedgerError):
        return outcome
    return outcome if outcome.replayed and outcome.row.id not in sent else None
