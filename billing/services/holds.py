"""Holds: reserve an amount of a wallet, then capture, extend, release or expire it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from billing import selectors
from billing.choices import Direction
from billing.digests import CAPTURE_FACTS, HOLD_CALL_FACTS, HOLD_FACTS, capture_digest, facts_digest, hold_call_digest, hold_digest
from billing.errors import HoldConflict, OutOfRange, UsageNotADebit
from billing.models import Wallet
from billing.services.posting_errors import insufficient
from billing.services.posting_rows import EndedHoldRow, ExtendedHoldRow, PlacedHoldRow
from billing.services.postings import RETRYABLE_CONSTRAINTS as RETRYABLE_POSTING_CONSTRAINTS
from billing.services.postings import check_facts
from kernel.ledger import posting, queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError, NotFound
from kernel.ledger.holds import HoldClosed, HoldExceeded, HoldStatus
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.money import trimmed_digits
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error

# Broken where another call took the key of a hold, or of a capture or an extension, since this one looked.
RETRYABLE_CONSTRAINTS = RETRYABLE_POSTING_CONSTRAINTS | {"billing_wallethold_reference_key", "billing_walletholdentry_reference_key"}


@translate_db_errors
def place_hold(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    amount: Decimal,
    expires_at: datetime,
    reference_id: str,
    currency: str | None = None,
    reason: str | None = None,
    allow_overdraft: bool = False,
) -> Posted[PlacedHoldRow]:
    """Reserve an amount of the tenant's wallet of `currency` (default: the tenant's own) until `expires_at`, once for each reference_id.

    A wallet without a floor counts as one with a floor of zero, unless `allow_overdraft`. Raises InvalidValue, Insufficient (nothing
    is reserved), OutOfRange, HoldConflict.
    """
    facts = {"currency": currency, "amount": amount, "expires_at": expires_at, "reason": reason, "allow_overdraft": allow_overdraft}
    _check_amount_above_zero(amount)
    check_facts({**facts, "reference_id": reference_id})
    check_moment("expires_at", expires_at)
    named = {"id": new_id(), "reference_id": reference_id, "actor": actor, "request_id": request_id}
    return _post(
        "billing_place_hold",
        {**facts, **named, "amount": trimmed_digits(amount)},
        tenant_id=tenant_id,
        digest_of_facts=hold_digest(facts),
        names=HOLD_FACTS,
        # A caller that states the currency and one that leaves it to the default ask for the same hold.
        is_recorded=lambda row, name: name == "currency" and row.wallet_currency == row.currency,
        errors=_placing_errors(amount=amount, expires_at=expires_at),
    )


@translate_db_errors
def capture_hold(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    hold_id: UUID,
    amount: Decimal | None = None,
    final: bool = True,
    reference_id: str | None = None,
    agent_id: str | None = None,
    description: str | None = None,
    metadata: str | None = None,
) -> Posted[EndedHoldRow]:
    """Debit what a hold reserves, or `amount` of it, as a transaction of the type usage. The rest is released, unless `final` is false.

    `reference_id` is the key of this capture and of its debit: by default the hold's own, and required where `final` is false. Raises
    NotFound, HoldClosed, HoldExceeded, UsageNotADebit, OutOfRange, HoldConflict,
    InvalidValue, and Insufficient under a floor rule that doesn't allow every capture of a hold that it allowed (the shipped one does).
    """
    if amount is not None:
        _check_amount_above_zero(amount)
    if not final and reference_id is None:
        raise InvalidValue(field="reference_id", reason="missing")
    facts = {"amount": amount, "agent_id": agent_id, "description": description, "metadata": metadata, "hold": hold_id, "final": final}
    check_facts({**facts, "reference_id": reference_id})
    texts = {"reference_id": reference_id, "agent_id": agent_id, "description": description}
    end = {
        **texts,
        "hold_id": hold_id,
        "kind": str(HoldStatus.CAPTURED),
        "id": new_id(),
        "final": final,
        "amount": None if amount is None else trimmed_digits(amount),
        "metadata": None if metadata is None else str(metadata),
        "debit_digest": facts_digest(facts).hex(),
        "actor": actor,
        "request_id": request_id,
    }
    is_recorded = partial(_is_recorded, hold_id, amount)
    return _end_hold(end, tenant_id=tenant_id, digest_of_facts=capture_digest(facts), names=CAPTURE_FACTS, is_recorded=is_recorded)


def _is_recorded(hold_id: UUID, amount: Decimal | None, row: Any, name: str) -> bool:
    """A capture without an amount is the same call as a capture of all that the hold reserved then."""
    if name != "amount" or row.id != hold_id:
        return False
    reserved_before = row.amount - row.captured + row.taken
    return bool(row.taken == (reserved_before if amount is None else amount))


@translate_db_errors
def release_hold(*, tenant_id: UUID, actor: str, request_id: str, hold_id: UUID, reason: str | None = None) -> Posted[EndedHoldRow]:
    """Release what a hold reserves. Repeating the call changes nothing. Raises NotFound, HoldClosed, HoldConflict, InvalidValue."""
    facts = {"hold": hold_id, "reason": reason}
    check_facts(facts)
    end = {"hold_id": hold_id, "kind": str(HoldStatus.RELEASED), "reason": reason, "actor": actor, "request_id": request_id}
    return _end_hold(end, tenant_id=tenant_id, digest_of_facts=hold_call_digest(facts), names=HOLD_CALL_FACTS)


@translate_db_errors
def extend_hold(
    *, tenant_id: UUID, actor: str, request_id: str, hold_id: UUID, expires_at: datetime, reference_id: str
) -> Posted[ExtendedHoldRow]:
    """Give a hold a later end, once for each `reference_id`.

    Raises NotFound, HoldClosed, HoldConflict, and InvalidValue where the moment isn't later, or later than the policy allows.
    """
    facts = {"hold": hold_id, "expires_at": expires_at}
    check_facts({"reference_id": reference_id})
    check_moment("expires_at", expires_at)
    extension = {
        "hold_id": hold_id,
        "expires_at": expires_at,
        "reference_id": reference_id,
        "actor": actor,
        "request_id": request_id,
    }
    return _post(
        "billing_extend_hold",
        extension,
        tenant_id=tenant_id,
        digest_of_facts=hold_call_digest(facts),
        names=HOLD_CALL_FACTS,
        errors={
            "not_found": lambda row: NotFound(kind="hold", id=hold_id),
            "closed": lambda row: HoldClosed(hold_id=row.id, status=row.status),
            "not_later": lambda row: InvalidValue(field="expires_at", reason="hold_not_later", value=expires_at, min=row.expires_at),
            "too_long": lambda row: InvalidValue(field="expires_at", reason="hold_too_long", value=expires_at, max=row.latest),
        },
    )


@translate_db_errors
def expire_hold(*, tenant_id: UUID, actor: str, request_id: str, hold_id: UUID) -> Posted[EndedHoldRow]:
    """End an overdue hold; nothing to do where it isn't overdue, or was ended otherwise. Raises NotFound."""
    end = {"hold_id": hold_id, "kind": str(HoldStatus.EXPIRED), "actor": actor, "request_id": request_id}
    [row] = posting.post("billing_capture_or_end_hold", [end], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    errors: dict[str, Callable[[Any], LedgerError]] = {"not_found": lambda row: NotFound(kind="hold", id=hold_id)}
    return or_raise(posted_or_error(row, facts_digest=None, names=(), errors=errors, nothing_to_do=("not_due", "closed")))


def expire_holds(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[Posted[EndedHoldRow]]:
    """End every overdue hold, each in a transaction of its own; yields their outcomes."""
    for hold in selectors.overdue_holds(tenant_id=tenant_id):
        yield expire_hold(tenant_id=hold["tenant_id"], actor=actor, request_id=request_id, hold_id=hold["id"])


def end_overdue_holds(wallet: Wallet, *, actor: str, request_id: str) -> Decimal:
    """End the overdue holds of a wallet that the caller has locked, in the caller's transaction; returns what the others reserve."""
    statement = """
        SELECT (billing_expire_overdue_holds(tenant_id, wallet, ledger_now(), %s, %s)).held FROM billing_wallet wallet
        WHERE tenant_id = %s AND id = %s
    """
    held: Decimal = queries.fetch_rows(statement, (actor, request_id, wallet.tenant_id, wallet.id))[0].held
    return held


def _check_amount_above_zero(amount: Decimal) -> None:
    # A NaN can't be compared; check_facts refuses it.
    if amount.is_finite() and amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive", value=amount)


def _placing_errors(*, amount: Decimal, expires_at: datetime) -> dict[str, Callable[[Any], LedgerError]]:
    return {
        "overdue": lambda row: InvalidValue(field="expires_at", reason="not_in_the_future", value=expires_at),
        "too_long": lambda row: InvalidValue(field="expires_at", reason="hold_too_long", value=expires_at, max=row.latest),
        "out_of_range": lambda row: OutOfRange(balance=row.balance, requested=amount, currency=row.currency),
        "insufficient": lambda row: insufficient(row, requested=amount),
    }


def _end_hold(
    end: dict[str, Any], *, tenant_id: UUID, digest_of_facts: bytes, names: tuple[str, ...], is_recorded: Any = None
) -> Posted[EndedHoldRow]:
    amount = end.get("amount")
    return _post(
        "billing_capture_or_end_hold",
        end,
        tenant_id=tenant_id,
        digest_of_facts=digest_of_facts,
        names=names,
        is_recorded=is_recorded,
        errors={
            "not_found": lambda row: NotFound(kind="hold", id=end["hold_id"]),
            "closed": lambda row: HoldClosed(hold_id=row.id, status=row.status),
            "exceeded": lambda row: HoldExceeded(hold_id=row.id, held=row.held, requested=Decimal(amount or 0)),
            "no_debit": lambda row: UsageNotADebit(type="usage", direction=str(Direction.DEBIT)),
            "out_of_range": lambda row: OutOfRange(balance=row.balance, requested=_asked(row, amount), currency=row.currency),
            "insufficient": lambda row: insufficient(row, requested=_asked(row, amount), held=row.wallet_held),
        },
    )


def _asked(row: Any, amount: str | None) -> Decimal:
    """What a capture would have taken: by default all that the hold reserves."""
    return Decimal(row.held if amount is None else amount)


def _post(
    function: str,
    hold_call: Mapping[str, Any],
    *,
    tenant_id: UUID,
    digest_of_facts: bytes,
    names: Sequence[str],
    errors: Mapping[str, Callable[[Any], LedgerError]],
    is_recorded: Callable[[Any, str], bool] | None = None,
) -> Posted[Any]:
    """What a posting function of holds posted, or what an earlier call with the same key did. Raises the error that refused the call."""
    with_digest = {**hold_call, "facts_digest": digest_of_facts.hex()}
    [row] = posting.post(function, [with_digest], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return or_raise(
        posted_or_error(row, facts_digest=digest_of_facts, names=names, errors=errors, conflict=_conflict, is_recorded=is_recorded)
    )


def _conflict(row: Any, fields: list[str]) -> LedgerError:
    # Only the rows of billing_capture_or_end_hold have a transaction, and of those only a capture's.
    return HoldConflict(first_id=getattr(row, "transaction_id", None) or row.id, fields=fields)
