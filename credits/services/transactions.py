"""Posts transactions on named grants, one or many, and reverses them."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from django.db import transaction

from credits import selectors
from credits.choices import REVERSIBLE, TransactionKind, TransactionType
from credits.errors import GrantNotFound, NotReversible
from credits.services.posting_rows import TransactionRow
from credits.services.postings import RETRYABLE_CONSTRAINTS, make_posting, read_posting
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.outcomes import Posted, or_raise

OPPOSITE = {TransactionType.DEBIT: TransactionType.CREDIT, TransactionType.CREDIT: TransactionType.DEBIT}


class TransactionFacts(TypedDict, total=False):
    """What a caller says of a transaction."""

    grant_id: Required[UUID | str]
    # DEBIT or CREDIT.
    type: Required[str]
    # Units of the grant, > 0.
    amount: Required[Decimal]
    reason: str | None
    invoice_id: str | None
    billing_run_id: str | None
    # Default: now.
    occurred_at: datetime | None
    # Without one, a repeated call is another transaction.
    idempotency_key: str | None


@translate_db_errors
def record_transaction(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[TransactionFacts]) -> Posted[TransactionRow]:
    """Post one DEBIT or CREDIT on a grant.

    Raises GrantNotFound, GrantVoided, GrantNotYetEffective, GrantExpired, InsufficientCredit, MoreThanTaken, IdempotencyConflict.
    """
    posting_item = make_posting(facts, actor=actor, request_id=request_id)
    row = posting.post_one(
        "credits_post",
        posting_item,
        tenant_id=tenant_id,
        serialization_key=(tenant_id, posting_item["grant_id"]),
        retryable_constraints=RETRYABLE_CONSTRAINTS,
    )
    return or_raise(read_posting(row, posting_item))


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, transactions: Sequence[TransactionFacts], atomic: bool = False
) -> list[Posted[TransactionRow] | LedgerError | None]:
    """Post many in one call. One outcome for each, in order: Posted or its error.

    `atomic`: all or nothing. If one is refused nothing is written, and the outcome of each that would have been is None.
    """
    prepared = [_posting_or_error(facts, actor=actor, request_id=request_id) for facts in transactions]
    with transaction.atomic() if atomic else nullcontext():
        outcomes = _merged(prepared, _post([made for made in prepared if not isinstance(made, LedgerError)], tenant_id=tenant_id))
        if not atomic or not any(isinstance(outcome, LedgerError) for outcome in outcomes):
            return list(outcomes)
        transaction.set_rollback(True)
    return [outcome if isinstance(outcome, LedgerError) or outcome.replayed else None for outcome in outcomes]


@translate_db_errors
def reverse_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    reason: str,
    amount: Decimal | None = None,
    idempotency_key: str | None = None,
) -> Posted[TransactionRow]:
    """Reverse a transaction by another that names it; returns the reversing one.

    `amount`: how much of it, in units of the grant; None: all that is left, which can happen once. A part needs an idempotency key: a
    repeated call without one would reverse it twice.
    Raises NotFound, NotReversible, AlreadyReversed, ExceedsOriginal, InsufficientCredit, MoreThanTaken, IdempotencyConflict.
    """
    if amount is not None and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    if amount is not None and idempotency_key is None:
        raise InvalidValue(field="idempotency_key", reason="missing")
    original = selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    if original["kind"] not in REVERSIBLE:
        raise NotReversible(id=transaction_id, kind=original["kind"])
    facts = {name: original[name] for name in ("grant_id", "invoice_id", "billing_run_id")}
    facts |= {"type": OPPOSITE[original["type"]], "amount": amount, "reason": reason, "reverses": transaction_id}
    facts["idempotency_key"] = idempotency_key
    posting_item = make_posting(facts, actor=actor, request_id=request_id, kind=TransactionKind.REVERSAL)
    meant = amount or original["amount"]
    [row] = posting.post("credits_post", [posting_item], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return or_raise(read_posting(row, posting_item, is_recorded=lambda first, name: name == "amount" and first.amount == meant))


def _posting_or_error(facts: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any] | LedgerError:
    try:
        return make_posting(facts, actor=actor, request_id=request_id)
    except (GrantNotFound, InvalidValue) as error:
        return error


def _post(posting_items: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> list[Posted[TransactionRow] | LedgerError]:
    if not posting_items:
        return []
    rows = posting.post("credits_post", posting_items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [read_posting(row, posting_item) for row, posting_item in zip(rows, posting_items, strict=True)]


def _merged(
    prepared: Sequence[dict[str, Any] | LedgerError], outcomes: Sequence[Posted[TransactionRow] | LedgerError]
) -> list[Posted[TransactionRow] | LedgerError]:
    """The outcomes in the order of what the caller stated, with the errors of facts that made no posting in their places."""
    posted = iter(outcomes)
    return [made if isinstance(made, LedgerError) else next(posted) for made in prepared]
