"""Posts transactions on named grants, one or many, and reverses them."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from credits import selectors
from credits.choices import REVERSIBLE, TransactionKind, TransactionType
from credits.digests import TRANSACTION_FACTS, transaction_digest
from credits.errors import GrantNotFound, NotReversible
from credits.services.posting_errors import NOTHING_TO_DO, posting_errors, row_or_error
from credits.services.text_forms import digest_from_json, digest_to_json, grant_uuid
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.outcomes import POSTED, is_replayed, or_raise, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_transaction_idempotency"})
OPPOSITE = {TransactionType.DEBIT: TransactionType.CREDIT, TransactionType.CREDIT: TransactionType.DEBIT}


@translate_db_errors
def record_transaction(*, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Any) -> Any:
    """Post one DEBIT or CREDIT; returns the transaction's row, whose `outcome` is posted or replayed.

    `facts`: grant_id, type, amount (units of the grant, > 0), and maybe reason, invoice_id, billing_run_id, occurred_at (default: now).
    Raises GrantNotFound, GrantVoided, GrantNotYetEffective, GrantExpired, InsufficientCredit, MoreThanTaken, IdempotencyConflict.
    """
    item = _make_posting({"actor": actor, "request_id": request_id}, key=idempotency_key, facts=facts)
    row = posting.post_one(
        "credits_post",
        item,
        tenant_id=tenant_id,
        serialization_key=(tenant_id, item["grant_id"]),
        retryable_constraints=RETRYABLE_CONSTRAINTS,
    )
    return or_raise(_outcome(row, item))


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, items: Sequence[Mapping[str, Any]], atomic: bool = False
) -> list[Any | LedgerError | None]:
    """Post many; each item holds the facts of `record_transaction` and maybe an idempotency_key. A row or its error for each, in order.

    `atomic`: all or nothing. If one is refused nothing is written, and the outcome of each that would have been is None.
    """
    prepared = [_posting_or_error({"actor": actor, "request_id": request_id}, item) for item in items]
    with transaction.atomic() if atomic else nullcontext():
        outcomes = _merged(prepared, _post([item for item in prepared if not isinstance(item, LedgerError)], tenant_id=tenant_id))
        if not atomic or not any(isinstance(outcome, LedgerError) for outcome in outcomes):
            return outcomes
        transaction.set_rollback(True)
    return [outcome if isinstance(outcome, LedgerError) or is_replayed(outcome) else None for outcome in outcomes]


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
) -> Any:
    """Reverse a transaction by another that names it; returns the reversing row.

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
    item = _make_posting({"actor": actor, "request_id": request_id}, key=idempotency_key, facts=facts, kind=TransactionKind.REVERSAL)
    meant = amount or original["amount"]
    [row] = posting.post("credits_post", [item], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return or_raise(_outcome(row, item, is_recorded=lambda first, name: name == "amount" and first.amount == meant))


def _posting_or_error(audit: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any] | LedgerError:
    facts = {name: value for name, value in item.items() if name != "idempotency_key"}
    try:
        return _make_posting(audit, key=item.get("idempotency_key"), facts=facts)
    except (GrantNotFound, InvalidValue) as error:
        return error


def _make_posting(audit: Mapping[str, Any], *, key: str | None, facts: Mapping[str, Any], kind: str | None = None) -> dict[str, Any]:
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
        "idempotency_key": key,
        "facts_digest": digest_to_json(transaction_digest({**facts, "grant_id": grant_id})),
        "reverses_id": facts.get("reverses"),
    }


def _post(items: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> list[Any | LedgerError]:
    if not items:
        return []
    rows = posting.post("credits_post", items, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [_outcome(row, item) for row, item in zip(rows, items, strict=True)]


def _outcome(row: Any, item: Mapping[str, Any], **more: Any) -> Any | LedgerError:
    if row.outcome == POSTED:
        return row
    requested = None if item["amount"] is None else Decimal(item["amount"])
    return row_or_error(
        posted_or_error(
            row,
            facts_digest=digest_from_json(item["facts_digest"]),
            names=TRANSACTION_FACTS,
            errors=posting_errors(requested=requested, invoice_id=item["invoice_id"], reverses=item["reverses_id"]),
            also_posted=NOTHING_TO_DO,
            **more,
        )
    )


def _merged(prepared: Sequence[Any], outcomes: Sequence[Any]) -> list[Any]:
    """The outcomes in the order of the caller's items, with the errors of items that were not posted in their places."""
    posted = iter(outcomes)
    return [item if isinstance(item, LedgerError) else next(posted) for item in prepared]
