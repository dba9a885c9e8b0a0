"""A further round of authorization: a resource answered 402. The rules decide on the payment, its money is held, and its token is made."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerError, NotFound
from kernel.ledger.fact_digests import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error
from kernel.ledger.posting import greenlets
from metering import selectors
from metering.choices import Status
from metering.digests import parse_document
from metering.errors import MustBeAuthorized, PaymentInProgress
from metering.paying import tokens
from metering.paying.choices import LEDGER, OPEN_STATUSES, RETRYABLE_MONEY_CONSTRAINTS
from metering.paying.selectors import with_payload
from metering.selectors import Row
from metering.services.challenges import NoPayableOption, choose_option, payment_of
from metering.services.transactions import Recorded, record_transaction

RETRYABLE_CONSTRAINTS = RETRYABLE_MONEY_CONSTRAINTS | frozenset(
    {"rules_authorizationrequest_idempotency_key_key", "rules_authorizationrequest_round_key"}
)
# The facts of the digest, in its order.
FACTS = ("transaction_id", "x402", "metadata", "additional_protocols")


@dataclass(frozen=True, slots=True)
class Reauthorized:
    """The transaction after the round, with the payload of its payment."""

    row: Row
    replayed: bool = False


@translate_db_errors
def reauthorize_transaction(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transaction_id: UUID,
    x402: str,
    metadata: str | None = None,
    additional_protocols: str | None = None,
    idempotency_key: str | None = None,
) -> Reauthorized:
    """Pay a challenge. `x402`: the challenge as its JSON text; the first option that can be paid is taken.

    The same challenge again, or the same key with the same facts, is a replay. Another one takes the place of a payment that was not
    presented yet. A completed transaction is returned as it stands. Raises NotFound, MustBeAuthorized, NoPayableOption, PaymentInProgress,
    IdempotencyConflict, Busy.
    """
    parsed = parse_document(x402)
    facts = {"transaction_id": str(transaction_id), "x402": parsed, "metadata": parse_document(metadata)}
    facts["additional_protocols"] = parse_document(additional_protocols)
    facts_digest = digest(facts, FACTS)
    item: dict[str, Any] = {
        **asked_payment(x402, tenant_id=tenant_id),
        "change_id": new_id(),
        "transaction_id": transaction_id,
        "actor": actor,
        "request_id": request_id,
        "idempotency_key": idempotency_key,
        "facts_digest": facts_digest.hex(),
        "challenge_digest": hashlib.sha256(msgspec.json.encode(parsed, order="deterministic")).hexdigest(),
    }

    def call() -> Reauthorized:
        outcome = _post(item, tenant_id=tenant_id, facts_digest=facts_digest)
        row = with_payload(selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id))
        return Reauthorized(row, outcome.replayed)

    return call() if item["payer"] == LEDGER else greenlets.run_or_retry_in_thread(lambda: _signed(call))


def _signed(call: Callable[[], Reauthorized]) -> Reauthorized:
    """A call whose payment is signed, which takes a while, in one database transaction: what can't be signed isn't held either. Raises
    NoPayableOption."""
    with transaction.atomic():
        done = call()
        payment = done.row["payment"]
        if not done.replayed and payment and payment["status"] in OPEN_STATUSES and payment.get("authorization_payload") is None:
            raise NoPayableOption(reasons=["could not be signed here"])
    return done


@translate_db_errors
def record_and_pay(*, tenant_id: UUID, actor: str, request_id: str, challenge: Mapping[str, Any], **facts: Any) -> Recorded:
    """Record a transaction and pay the challenge of its resource, both or neither. `challenge`: x402, metadata and additional_protocols of
    reauthorize_transaction; the other facts are those of record_transaction.

    A transaction that is not authorized at once is recorded without a payment. Raises what the two raise.
    """
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}

    def call() -> Recorded:
        with transaction.atomic():
            recorded = record_transaction(**who, **facts)
            row: Row = recorded.row
            if recorded.replayed or row["status"] != Status.AUTHORIZED:
                return Recorded(row=with_payload(row), replayed=recorded.replayed)
            return Recorded(row=reauthorize_transaction(**who, transaction_id=row["id"], **challenge).row)

    return greenlets.run_or_retry_in_thread(call)


def _post(item: Mapping[str, Any], *, tenant_id: UUID, facts_digest: bytes) -> Posted:
    transaction_id = item["transaction_id"]
    [row] = posting.post("metering_reauthorize", [item], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    errors: dict[str, Callable[[Any], LedgerError]] = {
        "not_found": lambda _: NotFound(kind="transaction", id=transaction_id),
        "wrong_status": lambda refused: MustBeAuthorized(id=transaction_id, status=refused.status),
        "in_progress": lambda refused: PaymentInProgress(id=transaction_id, payment_id=refused.id),
    }
    return or_raise(posted_or_error(row, facts_digest=facts_digest, names=FACTS, errors=errors, also_posted=("completed",)))


def asked_payment(x402: str, *, tenant_id: UUID) -> dict[str, Any]:
    """The new id of a round that asks for the payment of a challenge, and what it asks for. Raises NoPayableOption."""
    chosen = choose_option(x402, tenant_id=tenant_id)
    try:
        key_id = tokens.signing_key_id()
    except tokens.NoTokenKey as missing:
        raise NoPayableOption(reasons=["can't be paid here: this service has no key that signs payments"]) from missing
    identifier = new_id()
    digest = tokens.nonce_digest(tokens.nonce_of(identifier, key_id))
    return {
        "id": identifier,
        "payer": chosen.payer,
        "payment": payment_of(chosen, key_id=key_id, nonce_digest=digest),
        "amount": f"{chosen.quote.amount:f}",
        "currency": chosen.quote.currency,
    }
