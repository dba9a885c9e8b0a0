"""Burn-down across a customer's grants, and reinstating what an invoice took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from credits.choices import TransactionKind, TransactionType
from credits.digests import CONSUMPTION_FACTS
from credits.errors import InsufficientCredit, NothingToReinstate
from credits.services.draws import make_draw
from credits.services.posting_rows import ReinstatementRow
from credits.services.text_forms import digest_from_json
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_consumption_idempotency"})


@dataclass(frozen=True, slots=True)
class Consumed:
    """One amount drawn: `transactions` in burn-down order; `missing` is the part that no grant could pay."""

    id: UUID
    amount: Decimal
    taken: Decimal
    created_at: datetime
    transactions: list[Any]

    @property
    def missing(self) -> Decimal:
        return self.amount - self.taken


@dataclass(frozen=True, slots=True)
class Reinstated:
    """The transactions that gave back what an invoice took: those of this call, or of all earlier ones."""

    transactions: Sequence[ReinstatementRow]

    @property
    def amount(self) -> Decimal:
        return sum((row.amount for row in self.transactions), Decimal(0))


@translate_db_errors
def consume(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    amount: Decimal,
    currency: str | None = None,
    metric_id: str | None = None,
    partial: bool = False,
    reason: str | None = None,
    invoice_id: str | None = None,
    billing_run_id: str | None = None,
    idempotency_key: str | None = None,
) -> Posted[Consumed]:
    """Draw an amount across the customer's grants in burn-down order, in one call of the database.

    `currency`, `metric_id`: the units; with both, one unit of the metric counts as one of the currency. `partial`: if the grants can't
    cover the amount, take what they have. Raises InvalidValue, InsufficientCredit (nothing is taken), IdempotencyConflict.
    """
    audit = {"actor": actor, "request_id": request_id}
    facts = {
        "customer_id": customer_id,
        "currency": currency,
        "metric_id": metric_id,
        "amount": amount,
        "partial": partial,
        "reason": reason,
        "invoice_id": invoice_id,
        "billing_run_id": billing_run_id,
    }
    wanted = make_draw(audit, facts=facts, names=CONSUMPTION_FACTS, key=idempotency_key)
    rows = posting.post("credits_consume", [wanted], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return _consumed(rows, wanted)


def _consumed(rows: list[Any], wanted: dict[str, Any]) -> Posted[Consumed]:
    first = rows[0]
    outcome = or_raise(
        posted_or_error(
            first._replace(id=first.consumption_id),
            facts_digest=digest_from_json(wanted["facts_digest"]),
            names=CONSUMPTION_FACTS,
            errors={"insufficient": lambda row: insufficient_credit_error(row, wanted)},
        )
    )
    consumed = Consumed(
        id=first.consumption_id,
        amount=first.amount,
        taken=first.taken,
        created_at=first.booked_at,
        transactions=[_transaction(row, wanted) for row in rows if row.id is not None],
    )
    return Posted(consumed, outcome.replayed)


def insufficient_credit_error(row: Any, wanted: dict[str, Any]) -> InsufficientCredit:
    """The error for a draw or a hold that a customer's grants can't cover."""
    return InsufficientCredit(
        customer_id=wanted["customer_id"],
        balance=row.balance,
        held=row.balance - row.available,
        available=row.available,
        requested=Decimal(wanted["amount"]),
    )


def _transaction(row: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    shared = {name: wanted[name] for name in ("customer_id", "reason", "invoice_id", "billing_run_id")}
    own = {**row._asdict(), "amount": row.entry_amount, "chosen_by": msgspec.json.decode(row.chosen_by)}
    return {**shared, **own, "type": TransactionType.DEBIT, "kind": TransactionKind.CONSUMPTION}


@translate_db_errors
def reinstate(
    *, tenant_id: UUID, actor: str, request_id: str, customer_id: str, invoice_id: str, reason: str | None = None
) -> Posted[Reinstated]:
    """Give back what an invoice took, to the grants it took it from. Repeating it changes nothing. Raises NothingToReinstate."""
    wanted = {
        "actor": actor,
        "request_id": request_id,
        "customer_id": customer_id,
        "invoice_id": invoice_id,
        "reason": reason or "",
    }
    rows = posting.post("credits_reinstate", [wanted], tenant_id=tenant_id)
    errors = {"nothing": lambda _: NothingToReinstate(invoice_id=invoice_id, customer_id=customer_id)}
    outcome = or_raise(posted_or_error(rows[0], facts_digest=None, names=(), errors=errors))
    return Posted(Reinstated(rows), outcome.replayed)
