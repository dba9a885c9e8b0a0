"""A further round of authorization: a resource answered 402. The rules decide on the payment, its money is held, and its token is made."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Required, TypedDict, Unpack
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
from metering.selectors import RowDict
from metering.services.challenges import NoPayableOption, choose_option, payment_of
from metering.services.posting_rows import ReauthorizationRow
from metering.services.transactions import TransactionFacts, record_transaction

RETRYABLE_CONSTRAINTS = RETRYABLE_MONEY_CONSTRAINTS | frozenset(
    {"rules_authorizationrequest_idempotency_key_key", "rules_authorizationrequest_round_key"}
)
# The facts of the digest, in its order.
FACTS = ("transaction_id", "x402", "metadata", "additional_protocols")


class ChallengeFacts(TypedDict, total=False):
    """What a resource answered with 402. All are JSON texts."""

    # The first option of it that can be paid is taken.
    x402: Required[str]
    metadata: str | None
    additional_protocols: str | None


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
) -> Posted[RowDict]:
    """Pay a challenge; returns the transaction after the round, with the payload of its payment.

    `x402`: the challenge as its JSON text; the first option that can be paid is taken. The same challenge again, or the same key with the
    same facts, is a replay. Another one takes the place of a payment that was not presented yet. A completed transaction is returned as it
    stands. Raises NotFound, MustBeAuthorized, NoPayableOption, PaymentInProgress, IdempotencyConflict, Busy.
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

    def call() -> Posted[RowDict]:
        outcome = _post(item, tenant_id=tenant_id, facts_digest=facts_digest)
        row = with_payload(selectors.get_transaction(tenant_id=tenant_id, transaction_id=transaction_id))
        return Posted(row, outcome.replayed)

    return call() if item["payer"] == LEDGER else greenlets.run_or_retry_in_thread(lambda: _signed(call))


def _signed(call: Callable[[], Posted[RowDict]]) -> Posted[RowDict]:
    """A call whose payment is signed, which takes a while, in one database transaction: what can't be signed isn't held either. Raises
    NoPayableOption."""
    with transaction.atomic():
        done = call()
        payment = done.row["payment"]
        if not done.replayed and payment and payment["status"] in OPEN_STATUSES and payment.get("authorization_payload") is None:
            raise NoPayableOption(reasons=["could not be signed here"])
    return done


@translate_db_errors
def record_and_pay(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    challenge: ChallengeFacts,
    checks_occurred_at: bool = False,
    **facts: Unpack[TransactionFacts],
) -> Posted[RowDict]:
    """Record a transaction, as record_transaction does it, and pay the challenge of its resource, both or neither.

    A transaction that is not authorized at once is recorded without a payment. Raises what the two raise.
    """
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}

    def call() -> Posted[RowDict]:
        with transaction.atomic():
            recorded = record_transaction(**who, checks_occurred_at=checks_occurred_at, **facts)
            row = recorded.row
            if recorded.replayed or row["status"] != Status.AUTHORIZED:
                return Posted(with_payload(row), recorded.replayed)
            return Posted(reauthorize_transaction(**who, transaction_id=row["id"], **challenge).row)

    return greenlets.run_or_retry_in_thread(call)


def _post(item: Mapping[str, Any], *, tenant_id: UUID, facts_digest: bytes) -> Posted[ReauthorizationRow]:
    transaction_id = item["transaction_id"]
    [row] = posting.post("metering_reauthorize", [item], tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    errors: dict[str, Callable[[Any], LedgerError]] = {
        "not_found": lambda _: NotFound(kind="transaction", id=transaction_id),
        "wrong_status": lambda refused: MustBeAuthorized(id=transaction_id, status=refused.status),
        "in_progress": lambda refused: PaymentInProgress(id=transaction_id, payment_id=refused.id),
    }
    return or_raise(posted_or_error(row, facts_digest=facts_digest, names=FACTS, errors=errors, nothing_to_do=("completed",)))


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
