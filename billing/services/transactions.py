"""Records transactions in a tenant's wallets, and reverses them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from django.db import transaction

from billing.choices import ReversalReason
from billing.services.posting_rows import TransactionRow
from billing.services.postings import RETRYABLE_CONSTRAINTS, make_posting, read_posting
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.outcomes import Posted, or_raise


class TransactionFacts(TypedDict, total=False):
    """What a caller says of a transaction. A repeated call with the same `type` and `reference_id` is a replay, or a conflict."""

    # A magnitude where the type's direction gives the sign; signed otherwise.
    amount: Required[Decimal]
    type: Required[str]
    reference_id: Required[str]
    agent_id: str | None
    description: str | None
    # Default: the tenant's own.
    currency: str | None
    # Default: now.
    occurred_at: datetime | None
    # The text of a JSON object.
    metadata: str | None


@translate_db_errors
def record_transaction(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[TransactionFacts]) -> Posted[TransactionRow]:
    """Record one entry in the tenant's wallet of its currency.

    Raises InvalidValue, UnknownType, IdempotencyConflict, Insufficient, OutOfRange.
    """
    return _post_one(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, transactions: Sequence[TransactionFacts], atomic: bool = False
) -> list[Posted[TransactionRow] | LedgerError | None]:
    """Record many entries in one call. One outcome for each, in order: Posted or its error.

    `atomic`: all or nothing. If one is refused nothing is recorded, and the outcome of each that would have been is None.
    """
    prepared = [_posting_or_error(facts, actor=actor, request_id=request_id) for facts in transactions]
    posting_items = [made for made in prepared if not isinstance(made, LedgerError)]
    if not posting_items or (atomic and len(posting_items) < len(prepared)):
        return [made if isinstance(made, LedgerError) else None for made in prepared]
    outcomes: Iterator[Posted[TransactionRow] | LedgerError | None]
    outcomes = iter(_post_atomically(tenant_id, posting_items) if atomic else _post(tenant_id, posting_items))
    return [made if isinstance(made, LedgerError) else next(outcomes) for made in prepared]


@translate_db_errors
def reverse_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    reason_code: str,
    reason: str = "",
    amount: Decimal | None = None,
    reference_id: str | None = None,
    description: str | None = None,
    occurred_at: datetime | None = None,
    metadata: str | None = None,
) -> Posted[TransactionRow]:
    """Reverse a transaction, by an entry of the same type with the opposite effect.

    `amount` is the magnitude of the part to reverse. It requires a `reference_id`, which tells a repeated call from a second one. Without
    an amount all that remains is reversed, which can happen once. Returns the reversal. Raises NotFound,
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


def _post_one(facts: Mapping[str, Any], *, tenant_id: UUID, actor: str, request_id: str) -> Posted[TransactionRow]:
    """Post one transaction. Raises the LedgerError that refused it."""
    posting_item = make_posting(facts, actor=actor, request_id=request_id)
    wallet = ("billing", tenant_id, posting_item["currency"])
    row = posting.post_one(
        "billing_post", posting_item, tenant_id=tenant_id, serialization_key=wallet, retryable_constraints=RETRYABLE_CONSTRAINTS
    )
    return or_raise(_as_first_posted(read_posting(row, posting_item)))


def _as_first_posted(outcome: Posted[TransactionRow] | LedgerError) -> Posted[TransactionRow] | LedgerError:
    """A replay as the first call was answered: without the reversals that came later. Nothing else changes a row."""
    if isinstance(outcome, Posted) and outcome.replayed:
        return Posted(outcome.row._replace(reversed_amount=Decimal(0), reversed_by_id=None), replayed=True)
    return outcome


def _posting_or_error(facts: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any] | LedgerError:
    try:
        return make_posting(facts, actor=actor, request_id=request_id)
    except InvalidValue as error:
        return error


def _post(tenant_id: UUID, posting_items: Sequence[Mapping[str, Any]]) -> list[Posted[TransactionRow] | LedgerError]:
    """For each posting its row, or the LedgerError that refused it."""
    rows = posting.post("billing_post", posting_items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [_as_first_posted(read_posting(row, posting_item)) for row, posting_item in zip(rows, posting_items, strict=True)]


def _post_atomically(tenant_id: UUID, posting_items: Sequence[Mapping[str, Any]]) -> list[Posted[TransactionRow] | LedgerError | None]:
    with transaction.atomic():
        outcomes = _post(tenant_id, posting_items)
        if not any(isinstance(outcome, LedgerError) for outcome in outcomes):
            return list(outcomes)
        transaction.set_rollback(True)
    sent = {posting_item["id"] for posting_item in posting_items}
    return [_after_rollback(outcome, sent) for outcome in outcomes]


def _after_rollback(outcome: Posted[TransactionRow] | LedgerError, sent: set[UUID]) -> Posted[TransactionRow] | LedgerError | None:
    """What stays true of an outcome when its call is rolled back: errors, and replays of entries that were there before the call."""
    if isinstance(outcome, LedgerError):
        return outcome
    return outcome if outcome.replayed and outcome.row.id not in sent else None
