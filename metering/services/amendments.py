"""Additions to transactions that exist. Every move, fact and later cost is one call of the SQL function metering_amend."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerError, NotFound
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error
from metering.digests import AMENDMENT_FACTS, amendment_digest
from metering.errors import AlreadySuperseded, CostOfAnother, CostOfPayment, NeedsPerson, NotOpen, NotStale, PaymentPresented, WrongStatus
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS
from metering.services.posting_rows import AmendmentRow
from metering.services.settings import out_of_bounds

RETRYABLE_CONSTRAINTS = RETRYABLE_MONEY_CONSTRAINTS | {
    "metering_statuschange_idempotency_key_key",
    "metering_fact_idempotency_key_key",
    "metering_cost_idempotency_key_key",
}


def make_amendment(
    *,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    stated: Mapping[str, Any],
    move: Mapping[str, Any] | None = None,
    fact: Mapping[str, Any] | None = None,
    cost: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    occurred_at: datetime | None = None,
) -> dict[str, Any]:
    """One item of `amend`. `stated`: what the caller sent, for the digest (metering.digests.AMENDMENT_FACTS).

    `move`, `fact` and `cost` have the members of the SQL types metering_new_move, metering_new_fact and metering_new_cost; an id is made
    where none is given. `occurred_at`: when it happened, as the API's caller says, within the bounds of the tenant's policy.
    """
    return {
        "actor": actor,
        "request_id": request_id,
        "transaction_id": transaction_id,
        "idempotency_key": idempotency_key,
        "occurred_at": occurred_at,
        "checks_occurred_at": occurred_at is not None,
        "facts_digest": amendment_digest({"occurred_at": occurred_at, **stated, "transaction_id": transaction_id}).hex(),
        "move": move and {"id": new_id(), **move},
        "fact": fact and {"id": new_id(), **fact},
        "cost": cost and {"id": new_id(), **cost, "amount": f"{cost['amount']:f}"},
    }


@translate_db_errors
def amend(amendments: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> list[Posted[AmendmentRow] | LedgerError]:
    """Write items of one tenant in one database transaction. One outcome for each, in order: Posted or its error. Raises Busy."""
    rows = posting.post("metering_amend", amendments, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [_read_row(row, item, tenant_id=tenant_id) for row, item in zip(rows, amendments, strict=True)]


def amend_one(item: Mapping[str, Any], *, tenant_id: UUID) -> Posted[AmendmentRow]:
    """Write one item. Raises the error that refuses it, IdempotencyConflict and Busy."""
    [outcome] = amend([item], tenant_id=tenant_id)
    return or_raise(outcome)


def amend_all(amendments: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> list[Posted[AmendmentRow]]:
    """Write items of which none may be refused, inside the caller's database transaction. Raises the first error, so that all roll back."""
    return [or_raise(outcome) for outcome in amend(amendments, tenant_id=tenant_id)]


def _read_row(row: Any, item: Mapping[str, Any], *, tenant_id: UUID) -> Posted[AmendmentRow] | LedgerError:
    errors = _errors(item, tenant_id=tenant_id)
    return posted_or_error(row, facts_digest=bytes.fromhex(item["facts_digest"]), names=AMENDMENT_FACTS, errors=errors)


def _errors(item: Mapping[str, Any], *, tenant_id: UUID) -> dict[str, Callable[[Any], LedgerError]]:
    transaction_id = item["transaction_id"]
    superseded = (item["cost"] or {}).get("supersedes_ids") or [None]
    return {
        "not_found": lambda row: NotFound(kind="transaction", id=transaction_id),
        "out_of_bounds": lambda row: out_of_bounds(tenant_id=tenant_id),
        "wrong_status": lambda row: WrongStatus(id=transaction_id, status=row.status, wanted=item["move"]["to_status"]),
        "not_stale": lambda row: NotStale(id=transaction_id),
        "needs_person": lambda row: NeedsPerson(id=transaction_id),
        "not_open": lambda row: NotOpen(id=transaction_id, status=row.status),
        "cost_not_found": lambda row: NotFound(kind="cost", id=superseded[0]),
        "cost_of_another": lambda row: CostOfAnother(id=superseded[0]),
        "already_superseded": lambda row: AlreadySuperseded(id=superseded[0]),
        "cost_of_payment": lambda row: CostOfPayment(id=superseded[0]),
        "presented": lambda row: PaymentPresented(payment_id=row.id),
    }
