"""Transactions on named grants: one, many, and the reversal of one."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from credits import selectors
from credits.choices import REVERSIBLE, TransactionKind, TransactionType
from credits.errors import BatchAborted, GrantNotFound, NotReversible
from credits.services.outcomes import DONE, bytea, conflict, grant_uuid, refusal_of
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import AlreadyReversed, LedgerError
from kernel.ledger.idempotency import digest
from kernel.ledger.identifiers import new_id

FACTS = ("grant_id", "type", "amount", "reason", "invoice_id", "billing_run_id", "reverses", "occurred_at")
RACES = frozenset({"credits_transaction_idempotency"})
OPPOSITE = {TransactionType.DEBIT: TransactionType.CREDIT, TransactionType.CREDIT: TransactionType.DEBIT}


@translate_db_errors
def post_transaction(*, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Any) -> Any:
    """Post one DEBIT or CREDIT; returns the transaction's row, whose `outcome` is posted or replayed.

    `facts`: grant_id, type, amount (units of the grant, > 0), and maybe reason, invoice_id, billing_run_id, occurred_at (default: now).
    Raises GrantNotFound, GrantVoided, GrantNotYetEffective, GrantExpired, InsufficientCredit, MoreThanTaken, IdempotencyConflict.
    """
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    item = _item(who, key=idempotency_key, facts=facts)
    row = posting.post_one("credits_post", item, account=(tenant_id, item["grant_id"]), races=RACES)
    outcome = _told(row, item)
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


@translate_db_errors
def post_transactions(
    *, tenant_id: UUID, actor: str, request_id: str, items: Sequence[Mapping[str, Any] | Exception], atomic: bool = False
) -> list[Any]:
    """Post many; each item holds the facts of `post_transaction` and maybe an idempotency_key.

    Returns one row or refusal for each, in order.
    An item that the caller had to refuse already comes, and goes back, as its error.
    `atomic`: all or nothing; where one is refused, nothing is written and the others are BatchAborted.
    """
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    made = [_made(who, item) for item in items]
    with transaction.atomic() if atomic else nullcontext():
        outcomes = _merged(made, _post([item for item in made if not isinstance(item, Exception)]))
        refused = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)]
        if not (atomic and refused):
            return outcomes
        transaction.set_rollback(True)
    aborted = BatchAborted(index=refused[0])
    return [outcome if isinstance(outcome, Exception) or outcome.outcome == "replayed" else aborted for outcome in outcomes]


@translate_db_errors
def reverse_transaction(
    *, tenant_id: UUID, actor: str, request_id: str, transaction_id: UUID, reason: str, idempotency_key: str | None = None
) -> Any:
    """Take a transaction back by one that names it; returns the reversing row.

    Raises NotFound, NotReversible, AlreadyReversed, InsufficientCredit, MoreThanTaken, IdempotencyConflict.
    """
    original = selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id)
    if original["kind"] not in REVERSIBLE:
        raise NotReversible(id=transaction_id, kind=original["kind"])
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    facts = {name: original[name] for name in ("grant_id", "amount", "invoice_id", "billing_run_id")}
    facts |= {"type": OPPOSITE[original["type"]], "reason": reason, "reverses": transaction_id}
    [outcome] = _post([_item(who, key=idempotency_key, facts=facts, kind=TransactionKind.REVERSAL)])
    if isinstance(outcome, AlreadyReversed):
        raise AlreadyReversed(id=transaction_id, **outcome.facts)
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


def _made(who: Mapping[str, Any], item: Mapping[str, Any] | Exception) -> dict[str, Any] | Exception:
    if isinstance(item, Exception):
        return item
    facts = {name: value for name, value in item.items() if name != "idempotency_key"}
    try:
        return _item(who, key=item.get("idempotency_key"), facts=facts)
    except GrantNotFound as error:
        return error


def _item(who: Mapping[str, Any], *, key: str | None, facts: Mapping[str, Any], kind: str | None = None) -> dict[str, Any]:
    """A posting as `credits_post` reads it. Raises GrantNotFound."""
    grant_id = grant_uuid(facts["grant_id"])
    amount: Decimal = facts["amount"]
    occurred_at: datetime | None = facts.get("occurred_at")
    return {
        **who,
        "id": new_id(),
        "grant_id": grant_id,
        "kind": kind or str(facts["type"]).lower(),
        "type": str(facts["type"]),
        "amount": f"{amount:f}",
        "reason": facts.get("reason") or "",
        "invoice_id": facts.get("invoice_id") or "",
        "billing_run_id": facts.get("billing_run_id") or "",
        "now": timezone.now(),
        "occurred_at": occurred_at,
        "idempotency_key": key,
        "facts_digest": bytea(digest({**facts, "grant_id": str(grant_id)}, FACTS)),
        "reverses_id": facts.get("reverses"),
    }


def _post(items: Sequence[Mapping[str, Any]]) -> list[Any | LedgerError]:
    if not items:
        return []
    rows = posting.post("credits_post", items, races=RACES)
    return [_told(row, item) for row, item in zip(rows, items, strict=True)]


def _told(row: Any, item: Mapping[str, Any]) -> Any | LedgerError:
    if row.outcome in DONE:
        return row
    if row.outcome == "conflict":
        return conflict(row, digest=bytes.fromhex(item["facts_digest"][2:]), names=FACTS)
    return refusal_of(row, requested=Decimal(item["amount"]), invoice_id=item["invoice_id"])


def _merged(made: Sequence[Any], outcomes: Sequence[Any]) -> list[Any]:
    """The outcomes in the order of the caller's items, among them those that never came as far as the book."""
    posted = iter(outcomes)
    return [item if isinstance(item, Exception) else next(posted) for item in made]
