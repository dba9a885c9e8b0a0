"""The facilitator of this installation's own network (x402): a resource asks whether a payment is good, and collects it.

A decided answer is a value, not an error: the protocol's clients take every error for a fault of the facilitator and ask again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import PLACES, is_plain_decimal, trimmed_digits
from kernel.ledger.outcomes import EXISTS, POSTED
from metering.paying import selectors, tokens
from metering.paying.choices import RETRYABLE_MONEY_CONSTRAINTS
from metering.paying.payers import own_networks
from metering.paying.tokens import BadToken

EXACT = "exact"
# Why a payment isn't good, by the outcome of the posting function.
REASONS = {
    "not_found": ("attestation_invalid", "There is no such payment"),
    "too_late": ("attestation_expired", "The time to present the payment is over"),
    "revoked": ("attestation_revoked", "The payment was taken back before it was presented"),
    "hold_expired": ("hold_expired", "The money of the payment is held no longer"),
    "settled": ("already_settled", "The payment was collected before"),
    "conflict": ("settle_conflict", "The payment was collected before, with another amount"),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """`payer`: the account that pays. Where the payment isn't good, why: a word of the protocol, and a sentence."""

    payer: str | None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What was collected, and the id of that. Where nothing was, why: a word of the protocol, and a sentence."""

    payer: str | None
    network: str
    settlement_id: UUID | None = None
    amount: Decimal | None = None
    reason: str | None = None
    message: str | None = None
    replayed: bool = False


class _Refused(Exception):
    """Why a payment isn't good: reason, message."""


@translate_db_errors
def verify_payment(*, tenant_id: UUID, actor: str, request_id: str, payload: str, requirements: str) -> Verified:
    """Whether a payment is good for what the resource of this tenant asked for. The first time, the payment becomes presented: from then on
    its payer can't take it back. Repeating the call changes nothing. `payload` and `requirements` are JSON texts. Raises Busy.
    """
    payer = None
    try:
        payment, asked = _check(tenant_id=tenant_id, payload=payload, requirements=requirements)
        payer = tokens.account_id(payment["tenant_id"], payment["customer_id"])
        if _parse_amount(asked) != payment["amount"]:
            raise _Refused("price_not_acceptable", f"The payment is about {trimmed_digits(payment['amount'])} {payment['currency']}")
        posted = {"payment_id": payment["id"], "actor": actor, "request_id": request_id}
        [row] = posting.post("paying_present", [posted], tenant_id=payment["tenant_id"])
        if row.outcome not in {POSTED, EXISTS}:
            raise _Refused(*REASONS[row.outcome])
    except _Refused as refused:
        return Verified(payer, *refused.args)
    return Verified(payer)


@translate_db_errors
def settle_payment(*, tenant_id: UUID, actor: str, request_id: str, payload: str, requirements: str) -> Settled:
    """Collect a payment for the resource of this tenant. The requirements' amount is the actual one: at most what the payment is about, `0`
    releases it all, and the scheme `exact` takes no other than the whole.

    The same amount again gets the same answer and moves nothing; another one is refused. It may come after the time to present the payment,
    and after its transaction was completed, as long as the money is held. Raises Busy, OutcomeUnknown.
    """
    payer, network = None, str(_parse_json_object(requirements).get("network") or "")
    try:
        payment, asked = _check(tenant_id=tenant_id, payload=payload, requirements=requirements)
        payer = tokens.account_id(payment["tenant_id"], payment["customer_id"])
        amount = _collectable(_parse_amount(asked), payment)
        collected = {
            "payment_id": payment["id"],
            "amount": f"{amount:f}",
            "payee_tenant_id": tenant_id,
            "settlement_id": new_id(),
            "collection_id": new_id(),
            "actor": actor,
            "request_id": request_id,
        }
        [row] = posting.post(
            "paying_collect_challenge", [collected], tenant_id=payment["tenant_id"], retryable_constraints=RETRYABLE_MONEY_CONSTRAINTS
        )
        if row.outcome not in {POSTED, EXISTS}:
            raise _Refused(*REASONS[row.outcome])
    except _Refused as refused:
        return Settled(payer, network, reason=refused.args[0], message=refused.args[1])
    return Settled(payer, network, settlement_id=row.id, amount=row.amount, replayed=row.outcome == EXISTS)


def _collectable(amount: Decimal, payment: Mapping[str, Any]) -> Decimal:
    """The amount, if this payment may be collected with it. Raises _Refused."""
    limit = f"{trimmed_digits(payment['amount'])} {payment['currency']}"
    if amount > payment["amount"]:
        raise _Refused("price_not_acceptable", f"The payment is about at most {limit}")
    if payment["token"]["scheme"] == EXACT and amount != payment["amount"]:
        raise _Refused("price_not_acceptable", f"The scheme exact takes {limit} and no other amount")
    return amount


def _check(*, tenant_id: UUID, payload: str, requirements: str) -> tuple[Mapping[str, Any], Any]:
    """The payment that a payload is about, and the amount that the requirements state. What is compared never changes. Raises _Refused."""
    sent, wanted = _parse_json_object(payload), _parse_json_object(requirements)
    inner = sent.get("payload")
    if sent.get("x402Version") not in {1, 2} or not isinstance(inner, Mapping):
        raise _Refused("invalid_payload", "The payload has no x402Version of 1 or 2, or no payload")
    try:
        claims = tokens.read_token(inner.get("token"))
    except BadToken as bad:
        raise _Refused("attestation_invalid", "The token was not signed here") from bad
    payment = selectors.find_payment(tenant_id=claims["tenantId"], payment_id=claims["paymentId"])
    if payment is None or not tokens.is_token_of(payment, claims):
        raise _Refused("attestation_invalid", "The token is not that of a payment here")
    token = payment["token"]
    if not selectors.is_payee(tenant_id=tenant_id, pay_to=token["pay_to"]):
        raise _Refused("unauthorized_server", "The key may not collect what is paid to this payTo")
    challenge = json.loads(token["challenge"])
    _compare(sent, wanted, payment, challenge)
    return payment, wanted.get("maxAmountRequired" if challenge["version"] == 1 and "amount" not in wanted else "amount")


def _compare(sent: Mapping[str, Any], wanted: Mapping[str, Any], payment: Mapping[str, Any], challenge: Mapping[str, Any]) -> None:
    """Raises _Refused where the payload or the requirements differ from what was paid."""
    token, accepted = payment["token"], sent.get("accepted")
    if sent["x402Version"] != challenge["version"] or (challenge["version"] == 2 and accepted != json.loads(challenge["accepted"])):
        raise _Refused("invalid_payload", "The payload is not that of the payment")
    if wanted.get("scheme") != token["scheme"]:
        raise _Refused("invalid_scheme", f"The payment has the scheme {token['scheme']}")
    if wanted.get("network") != token["network"] or token["network"] not in own_networks():
        raise _Refused("invalid_network", f"The payment is on the network {token['network']}")
    resource = sent.get("resource")
    address = resource.get("url") if isinstance(resource, Mapping) else None
    if wanted.get("asset") != payment["currency"] or wanted.get("payTo") != token["pay_to"] or address not in {None, challenge["resource"]}:
        raise _Refused("invalid_payment_requirements", "The payment is about another asset, payTo or resource")


def _parse_amount(amount: Any) -> Decimal:
    """Raises _Refused for what is no amount that the ledger can hold."""
    if not isinstance(amount, str) or not is_plain_decimal(amount) or len(amount) > 2 * PLACES + 2 or Decimal(amount) < 0:
        raise _Refused("invalid_payment_requirements", "The amount is no decimal")
    value = Decimal(amount)
    if value != round(value, PLACES):
        raise _Refused("invalid_payment_requirements", f"The amount has more than {PLACES} decimals")
    return value


def _parse_json_object(text: str) -> Mapping[str, Any]:
    members: dict[str, Any] = json.loads(text)
    return members
