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
from credits.digests import TRANSACTION_FACTS, transaction_digest
from credits.errors import GrantNotFound, NotReversible
from credits.services.posting_errors import NOTHING_TO_DO, posting_errors
from credits.services.posting_rows import TransactionRow
from credits.services.text_forms import digest_from_json, digest_to_json, grant_uuid
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.outcomes import POSTED, Posted, or_raise, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_transaction_idempotency"})
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
    posting_item = _make_posting({"actor": actor, "request_id": request_id}, facts=facts)
    row = posting.post_one(
        "credits_post",
        posting_item,
        tenant_id=tenant_id,
        serialization_key=(tenant_id, posting_item["grant_id"]),
        retryable_constraints=RETRYABLE_CONSTRAINTS,
    )
    return or_raise(_outcome(row, posting_item))


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, transactions: Sequence[TransactionFacts], atomic: bool = False
) -> list[Posted[TransactionRow] | LedgerError | None]:
    """Post many in one call. One outcome for each, in order: Posted or its error.

    `atomic`: all or nothing. If one is refused nothing is written, and the outcome of each that would have been is None.
    """
    prepared = [_posting_or_error({"actor": actor, "request_id": request_id}, facts) for facts in transactions]
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
    posting_item = _make_posting({"actor": actor, "request_id": request_id}, facts=facts, kind=TransactionKind.REVERSAL)
    meant = amount or original["amount"]
    [row] = posting.post("credits_post", [posting_item], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return or_raise(_outcome(row, posting_item, is_recorded=lambda first, name: name == "amount" and first.amount == meant))


def _posting_or_error(audit: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any] | LedgerError:
    try:
        return _make_posting(audit, facts=facts)
    except (GrantNotFound, InvalidValue) as error:
        return error


def _make_posting(audit: Mapping[str, Any], *, facts: Mapping[str, Any], kind: str | None = None) -> dict[str, Any]:
    """The argument of `credits_post` for one transaction. Raises GrantNotFound, InvalidValue."""
    grant_id = grant_uuid(facts["grant_id"])
    amount: Decimal | None = facts["amount"]
    occurred_at: datetime | None = facts.get("occurred_at")
    check_moment("occurred_at", occurred_at)
    return {
        **audit,
        "id": new_id(),
        "grant_id": grant_id,
        "kind": kind or str(facts["type"]).lower(),
        "type": str(facts["type"]),
        "amount": None if amount is None else f"{amount:f}",
        "reason": facts.get("reason") or "",
        "invoice_id": facts.get("invoice_id") or "",
        "billing_run_id": facts.get("billing_run_id") or "",
        "occurred_at": occurred_at,
        "idempotency_key": facts.get("idempotency_key"),
        "facts_digest": digest_to_json(transaction_digest({**facts, "grant_id": grant_id})),
        "reverses_id": facts.get("reverses"),
    }


def _post(posting_items: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> list[Posted[TransactionRow] | LedgerError]:
    if not posting_items:
        return []
    rows = posting.post("credits_post", posting_items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [_outcome(row, posting_item) for row, posting_item in zip(rows, posting_items, strict=True)]


def _outcome(row: Any, posting_item: Mapping[str, Any], **more: Any) -> Posted[TransactionRow] | LedgerError:
    if row.outcome == POSTED:
        return Posted(row)
    requested = None if posting_item["amount"] is None else Decimal(posting_item["amount"])
    return posted_or_error(
        row,
        facts_digest=digest_from_json(posting_item["facts_digest"]),
        names=TRANSACTION_FACTS,
        errors=posting_errors(requested=requested, invoice_id=posting_item["invoice_id"], reverses=posting_item["reverses_id"]),
        nothing_to_do=NOTHING_TO_DO,
        **more,
    )


def _merged(
    prepared: Sequence[dict[str, Any] | LedgerError], outcomes: Sequence[Posted[TransactionRow] | LedgerError]
) -> list[Posted[TransactionRow] | LedgerError]:
    """The outcomes in the order of what the caller stated, with the errors of facts that made no posting in their places."""
    posted = iter(outcomes)
    return [made if isinstance(made, LedgerError) else next(posted) for made in prepared]
