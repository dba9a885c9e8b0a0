"""History brought in from files: grants and transactions in bulk, made ready beforehand, and the reversal of all that one run brought."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.utils import timezone

from credits.choices import REVERSIBLE, GrantStatus, TransactionKind
from credits.models import CreditTransaction, Grant
from credits.services import grants, transactions
from credits.services.outcomes import DONE, bytea, conflict, refusal_of
from kernel.ledger import posting
from kernel.ledger.constraints import refusals
from kernel.ledger.idempotency import digest
from kernel.ledger.identifiers import new_id_text

# What a caller posts by itself and may repeat, so that it has a digest; the others come of another call or of the ledger's own work.
POSTED = (TransactionKind.DEBIT, TransactionKind.CREDIT, TransactionKind.REVERSAL)
TEXTS = ("reason", "invoice_id", "billing_run_id")
# What the refusals tell.
REFUSED = ("id", "first_digest", "grant_id", "balance", "held", "effective_date", "expiry_date", "taken", "reversed_by")


def grant_line(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A grant as `credits_open` takes it, but for who makes it.

    `facts`: the arguments of create_grant, perhaps `id` and `facts_digest` (hexadecimal), which are kept. Raises InvalidValue.
    """
    known = {name: facts.get(name) for name in grants.FACTS}
    line = grants.opening({}, facts=known, key=facts.get("idempotency_key"), grant_id=facts.get("id"))
    return line if facts.get("facts_digest") is None else {**line, "facts_digest": f"\\x{facts['facts_digest']}"}


def transaction_line(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A transaction as `credits_post` takes it, but for who posts it and, until it is known, its grant.

    The clock it is judged by is its own day: what came after a grant's expiry in the world came after it in the book.
    """
    kind = facts.get("kind") or facts["type"].lower()
    return {
        **{name: facts.get(name) or "" for name in TEXTS},
        "id": facts.get("id") or new_id_text(),
        "grant_id": facts.get("grant_id"),
        "kind": kind,
        "type": facts["type"],
        "amount": f"{facts['amount']:f}",
        "now": facts["occurred_at"],
        "occurred_at": facts["occurred_at"],
        "idempotency_key": facts.get("idempotency_key"),
        "facts_digest": transaction_digest(facts) if kind in POSTED or "facts_digest" in facts else None,
        "reverses_id": facts.get("reverses"),
        "chosen_by": None if facts.get("chosen_by") is None else msgspec.Raw(facts["chosen_by"].encode()),
    }


def transaction_digest(facts: Mapping[str, Any]) -> str:
    """The digest that the same facts have when they come through the API, as PostgreSQL reads it from JSON."""
    if (kept := facts.get("facts_digest")) is not None:
        return f"\\x{kept}"
    return bytea(digest({**facts, "grant_id": str(facts["grant_id"])}, transactions.FACTS))


@refusals
def open_history(*, tenant_id: UUID, actor: str, request_id: str, lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Make grants of `grant_line`, in order; for each its outcome or the LedgerError that refused it."""
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    rows = posting.post("credits_open", [{**line, **who} for line in lines], races=grants.RACES, refused=("id", "first_digest"))
    return [_opened(row, line) for row, line in zip(rows, lines, strict=True)]


@refusals
def post_history(*, tenant_id: UUID, actor: str, request_id: str, lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Post transactions of `transaction_line`, in order; for each its outcome or the LedgerError that refused it."""
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    rows = posting.post("credits_post", [{**line, **who} for line in lines], races=transactions.RACES, refused=REFUSED)
    return [_posted(row, line) for row, line in zip(rows, lines, strict=True)]


@refusals
def delete_history(*, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int) -> int:
    """Take back up to so many grants whose request was `of`; how many were. Raises what refused one."""
    standing = Grant.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:").exclude(status=GrantStatus.DELETED)
    found = standing.order_by("-id").values_list("id", flat=True)[:at_most]
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    reason = f"taken back with the whole of {of}"
    lines = [grants.closing(who, grant_id=grant, kind=TransactionKind.DELETION, reason=reason) for grant in found]
    return _all_done(post_history(**who, lines=lines)) if lines else 0


@refusals
def reverse_history(*, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int) -> int:
    """Reverse up to so many transactions whose request was `of`, newest first; how many were. Raises what refused one."""
    brought = CreditTransaction.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:", kind__in=REVERSIBLE)
    names = ("id", "grant_id", "type", "amount", "invoice_id", "billing_run_id")
    found = brought.filter(reversals=None).order_by("-created_at", "-entry_number").values(*names)[:at_most]
    lines = [_reversal(entry, reason=f"taken back with the whole of {of}") for entry in found]
    return _all_done(post_history(tenant_id=tenant_id, actor=actor, request_id=request_id, lines=lines)) if lines else 0


def _reversal(entry: Mapping[str, Any], *, reason: str) -> dict[str, Any]:
    original = {name: value for name, value in entry.items() if name != "id"}
    facts = {**original, "type": str(transactions.OPPOSITE[entry["type"]]), "reason": reason, "reverses": entry["id"]}
    moment = timezone.now()
    return {**transaction_line({**facts, "kind": TransactionKind.REVERSAL.value, "occurred_at": moment}), "occurred_at": None}


def _all_done(answers: Sequence[Any]) -> int:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return len(answers)


def _opened(row: Any, line: Mapping[str, Any]) -> Any:
    return conflict(row, digest=bytes.fromhex(line["facts_digest"][2:]), names=grants.FACTS) if row.outcome == "conflict" else row


def _posted(row: Any, line: Mapping[str, Any]) -> Any:
    if row.outcome in DONE:
        return row
    if row.outcome == "conflict":
        return conflict(row, digest=bytes.fromhex(line["facts_digest"][2:]), names=transactions.FACTS)
    return refusal_of(row, requested=line.get("amount"), invoice_id=line["invoice_id"])
