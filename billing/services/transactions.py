"""Recording what happened in a wallet, and taking it back."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, SHIPPED_TYPES, TYPE_LENGTH, ReversalReason
from billing.errors import ExceedsOriginal, NotReversible, OutOfRange, UnknownType
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import AlreadyReversed, IdempotencyConflict, Insufficient, InvalidValue, LedgerError, NotFound
from kernel.ledger.idempotency import differing, digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import LIMIT, PLACES, is_currency, plain

# What a caller says of a transaction besides its key (type and reference). The order is for ever: digests in the book follow it.
FACTS = ("amount", "agent_id", "description", "currency", "occurred_at", "metadata", "reverses", "reason_code", "reason")
# Where another call took the key, opened the type, perhaps in another direction, or both, meanwhile: look again. A type has two unique
# keys: ON CONFLICT watches one, and two calls at once may meet at the other.
RACES = frozenset({"billing_transaction_reference_key", "billing_transaction_type_fkey", "billing_transactiontype_direction_key"})
LENGTHS = {"type": TYPE_LENGTH, "reference_id": REFERENCE_LENGTH, "agent_id": AGENT_LENGTH, "reason": REASON_LENGTH}
TEXTS = ("type", "reference_id", "agent_id", "description", "metadata", "reason")
# Made once: json.loads would make one for each document.
_read = json.JSONDecoder(parse_float=str).decode


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
) -> Any:
    """One line in the tenant's wallet of `currency` (default: the tenant's own), once for each (type, reference_id).

    `amount` is a magnitude where the type's direction gives the sign, and signed otherwise. `metadata` is a JSON object's text. Returns the
    entry's row; its `outcome` is `posted`, or `replayed` for the first one of an earlier equal call. Raises InvalidValue, UnknownType,
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
    given = _posting(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)
    return _post_one(given)


@translate_db_errors
def record_transactions(
    *, tenant_id: UUID, actor: str, request_id: str = "", transactions: Sequence[Mapping[str, Any]], together: bool = False
) -> list[Any]:
    """Many lines in one call; each item has the arguments of `record_transaction`. One answer for each: its row or LedgerError.

    `together`: all or nothing. If one is refused, none is in the book, and the answers of those that would have been are None.
    """
    answers: list[Any] = [_posting_or_error(item, tenant_id=tenant_id, actor=actor, request_id=request_id) for item in transactions]
    places = [place for place, answer in enumerate(answers) if not isinstance(answer, LedgerError)]
    if not places or (together and len(places) < len(answers)):
        return [answer if isinstance(answer, LedgerError) else None for answer in answers]
    postings = [answers[place] for place in places]
    outcomes = _post_together(postings) if together else _post(postings)
    for place, outcome in zip(places, outcomes, strict=True):
        answers[place] = outcome
    return answers


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
) -> Any:
    """Take a transaction back, by an entry of the same type with the opposite effect.

    `amount` is the magnitude of the part to take back, and then `reference_id` must tell a repeated call from a second one; without it, all
    that is left is taken back, which can happen once. Returns the reversal's row, as record_transaction. Raises NotFound, AlreadyReversed,
    NotReversible, ExceedsOriginal, Insufficient, IdempotencyConflict, InvalidValue.
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
    return _post_one(_posting(facts, tenant_id=tenant_id, actor=actor, request_id=request_id))


def _post_one(given: Mapping[str, Any]) -> Any:
    """The posting's row. Raises the LedgerError that refused it."""
    account = ("billing", given["tenant_id"], given["currency"])
    answer = _answer(posting.post_one("billing_post", given, account=account, races=RACES), given)
    if isinstance(answer, LedgerError):
        raise answer
    return answer


def _posting_or_error(item: Mapping[str, Any], *, tenant_id: UUID, actor: str, request_id: str) -> dict[str, Any] | LedgerError:
    try:
        return _posting(item, tenant_id=tenant_id, actor=actor, request_id=request_id)
    except InvalidValue as error:
        return error


def _posting(facts: Mapping[str, Any], *, tenant_id: UUID, actor: str, request_id: str) -> dict[str, Any]:
    """The facts as billing_post wants them. Raises InvalidValue."""
    _check(facts)
    identifier = new_id()
    label, direction = SHIPPED_TYPES.get(facts.get("type", ""), (None, None))
    amount, reverses, occurred_at = facts.get("amount"), facts.get("reverses"), facts.get("occurred_at")
    return {
        "id": identifier,
        "tenant_id": tenant_id,
        "currency": facts.get("currency"),
        "type": facts.get("type"),
        "shipped_label": label,
        "shipped_direction": direction,
        "amount": None if amount is None else plain(amount),
        "reference_id": facts.get("reference_id") or str(identifier),
        "agent_id": facts.get("agent_id"),
        "description": facts.get("description"),
        "metadata": None if facts.get("metadata") is None else str(facts["metadata"]),
        "occurred_at": occurred_at,
        "reverses": reverses,
        "reason_code": facts.get("reason_code"),
        "reason": facts.get("reason"),
        "facts_digest": digest(told_of(facts), FACTS).hex(),
        "actor": actor,
        "request_id": request_id,
    }


def told_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as they count for a repeated call: an object's spacing and the order of its keys say nothing."""
    told = dict(facts)
    if told.get("metadata") is not None:
        told["metadata"] = _read(told["metadata"])
    if told.get("reverses") is not None:
        told["reverses"] = str(told["reverses"])
    return told


def _check(facts: Mapping[str, Any]) -> None:
    """What the API's fields make sure of, for every other caller too. Raises InvalidValue."""
    amount, currency = facts.get("amount"), facts.get("currency")
    if amount is not None:
        check_amount("amount", amount)
    if currency is not None and not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    for name in TEXTS:
        text = facts.get(name)
        if text is not None:
            _check_text(name, text)
    for name in ("type", "reference_id"):
        if facts.get(name) == "":
            raise InvalidValue(field=name, reason="too_short", value="", min=1)


def check_amount(field: str, amount: Decimal) -> None:
    """What an amount column can hold to the last digit. Raises InvalidValue."""
    if not amount.is_finite():
        raise InvalidValue(field=field, reason="not_finite", value=None)
    if abs(amount) >= LIMIT:
        raise InvalidValue(field=field, reason="too_many_digits", value=amount, max=PLACES)
    if amount != round(amount, PLACES):
        raise InvalidValue(field=field, reason="too_many_decimals", value=amount, max=PLACES)


def _check_text(name: str, text: str) -> None:
    if "\x00" in text:
        raise InvalidValue(field=name, reason="unstorable_text", value=text)
    if name in LENGTHS and len(text) > LENGTHS[name]:
        raise InvalidValue(field=name, reason="too_long", value=text, max=LENGTHS[name])


def _post(postings: Sequence[Mapping[str, Any]]) -> list[Any]:
    """For each posting its row, or the LedgerError that refused it."""
    rows = posting.post("billing_post", postings, races=RACES)
    return [_answer(row, given) for row, given in zip(rows, postings, strict=True)]


def _post_together(postings: Sequence[Mapping[str, Any]]) -> list[Any]:
    with transaction.atomic():
        answers = _post(postings)
        if not any(isinstance(answer, LedgerError) for answer in answers):
            return answers
        transaction.set_rollback(True)
    return [_withdrawn(answer) for answer in answers]


def _withdrawn(answer: Any) -> Any:
    """What stays true of an answer when the call that gave it is undone: refusals, and entries that were there before."""
    return answer if isinstance(answer, LedgerError) or answer.outcome == "replayed" else None


def _answer(row: Any, given: Mapping[str, Any]) -> Any:
    """The row where something is in the book, else why not."""
    if row.outcome == "conflict":
        fields = differing(FACTS, bytes(row.first_digest), bytes.fromhex(given["facts_digest"]))
        # A digest from before a fact was known is shorter, and yet the same.
        return IdempotencyConflict(first_id=row.id, fields=fields) if fields else row._replace(outcome="replayed")
    return row if row.outcome in {"posted", "replayed"} else REFUSALS[row.outcome](row, given)


REFUSALS: dict[str, Callable[[Any, Mapping[str, Any]], LedgerError]] = {
    "insufficient": lambda row, given: Insufficient(balance=row.balance, requested=row.requested, floor=row.floor, currency=row.currency),
    "out_of_range": lambda row, given: OutOfRange(balance=row.balance, requested=row.requested, currency=row.currency),
    "negative_amount": lambda row, given: InvalidValue(
        field="amount", reason="negative", value=Decimal(given["amount"]), type=given["type"]
    ),
    "unknown_type": lambda row, given: UnknownType(field="type", value=given["type"]),
    "not_found": lambda row, given: NotFound(kind="transaction", id=given["reverses"]),
    "not_reversible": lambda row, given: NotReversible(id=given["reverses"]),
    "already_reversed": lambda row, given: AlreadyReversed(id=given["reverses"], reversed_by=row.blocking_id),
    "exceeds_original": lambda row, given: ExceedsOriginal(id=given["reverses"], requested=row.requested, remaining=row.remaining),
}
