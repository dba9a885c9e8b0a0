"""The token that a payee presents to collect a 402 payment on this installation's own network: a JSON Web Signature of its facts.

Payments on EVM chains are signed by evm.py.

It is stored nowhere. The same facts and the same key make the same token, so that a repeated call gets what the first one got; the
database has only the SHA-256 of its nonce, which is made of the key and the round of authorization.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import jwt
from django.conf import settings

from metering.paying import evm
from metering.paying.choices import LEDGER

KEY_BYTES = 32
ALGORITHM = "HS256"
ACCOUNTS = uuid5(NAMESPACE_URL, "urn:countinghouse:payment-account")
# The time is compared with the database's, under the payment's lock.
UNCHECKED = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
REQUIRED = ("iss", "aud", "sub", "jti", "iat", "exp", "holdExp", "amount", "asset", "transferId", "identity")
# The longest token that is parsed: its header names the key, so it is read before any signature is checked.
MAX_CHARACTERS = 8192


class NoTokenKey(Exception):
    """There is no key to sign with."""


class BadToken(Exception):
    """The token wasn't signed here, or says something else than the payment."""


def parse_keys(texts: list[str]) -> dict[str, bytes]:
    """Keys by their names, the one that signs first. Raises ValueError."""
    keys = {}
    for text in texts:
        name, _, encoded = text.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError("not base64") from error
        if not name or len(key) != KEY_BYTES:
            raise ValueError("no name" if not name else f"{len(key)} bytes")
        keys[name] = key
    return keys


def token_keys() -> dict[str, bytes]:
    """The installation's keys. Raises ValueError for a malformed one."""
    return parse_keys(settings.PAYMENT_TOKEN_KEYS)


def signing_key_id() -> str:
    """The name of the key that signs new tokens. Raises NoTokenKey."""
    for name in token_keys():
        return name
    raise NoTokenKey


def nonce_of(authorization_id: UUID, key_id: str) -> str:
    """The nonce of a round's token, a UUID. Raises KeyError for a key that was taken away."""
    mac = hmac.new(token_keys()[key_id], f"countinghouse/payment/v1|{authorization_id}".encode(), hashlib.sha256).digest()
    return str(UUID(bytes=mac[:16], version=4))


def nonce_digest(nonce: str) -> bytes:
    """What of a nonce is stored."""
    return hashlib.sha256(nonce.encode()).digest()


def account_id(tenant_id: UUID, customer_id: str) -> str:
    """The id under which the payee sees the paying customer. It reveals neither the tenant nor the customer."""
    return str(uuid5(ACCOUNTS, f"{tenant_id}:{customer_id}"))


def authorization_payload(payment: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the payer sends to the resource in the header PAYMENT-SIGNATURE, or X-PAYMENT: ASCII only, so that a browser's `btoa` takes it.

    `payment`: a row of selectors.get_token. None where the key that signed it was taken away. Raises CantSign where another payer's was.
    """
    token = payment["token"]
    if token["key_id"] not in token_keys():
        return None
    challenge = json.loads(token["challenge"])
    nonce = nonce_of(token["authorization_id"], token["key_id"])
    payload = (
        _signed_transfer(payment, challenge)
        if payment["payer"] != LEDGER
        else {
            "nonce": nonce,
            "token": _sign(payment, nonce=nonce, resource=challenge["resource"]),
            "amount": f"{payment['amount']:.18f}",
            "accountId": account_id(payment["tenant_id"], payment["customer_id"]),
            "authorizationId": str(token["authorization_id"]),
        }
    )
    if challenge["version"] == 1:
        return {"x402Version": 1, "scheme": token["scheme"], "network": token["network"], "payload": payload}
    whole: dict[str, Any] = {"x402Version": 2, "accepted": RawMember(challenge["accepted"]), "payload": payload}
    for name in ("resourceInfo", "extensions"):
        if challenge[name] is not None:
            whole["resource" if name == "resourceInfo" else name] = RawMember(challenge[name])
    return whole


def _signed_transfer(payment: Mapping[str, Any], challenge: Mapping[str, Any]) -> dict[str, Any]:
    """Raises CantSign."""
    token = payment["token"]
    return evm.sign_transfer(
        tenant_id=payment["tenant_id"],
        version=challenge["version"],
        token=challenge["token"],
        pay_to=token["pay_to"],
        value=challenge["token"]["value"],
        begins=_seconds(token["created_at"]),
        ends=_seconds(token["expires_at"]),
        nonce=evm.nonce_of(token_keys()[token["key_id"]], token["authorization_id"]),
    )


class RawMember(str):
    """JSON text that stands in the payload as it is."""

    __slots__ = ()


def payload_text(payload: Mapping[str, Any]) -> str:
    """The payload as JSON."""
    members = (f"{json.dumps(name)}:{value if isinstance(value, RawMember) else _compact(value)}" for name, value in payload.items())
    return "{" + ",".join(members) + "}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _sign(payment: Mapping[str, Any], *, nonce: str, resource: str | None) -> str:
    token, tenant = payment["token"], str(payment["tenant_id"])
    account = account_id(payment["tenant_id"], payment["customer_id"])
    claims = {
        "iss": settings.PAYMENT_ISSUER,
        "aud": token["pay_to"],
        "sub": str(payment["id"]),
        "jti": nonce,
        "iat": _seconds(token["created_at"]),
        "exp": _seconds(token["expires_at"]),
        "holdExp": _seconds(payment["hold_expires_at"]),
        "amount": f"{payment['amount']:.18f}",
        "asset": payment["currency"],
        "resource": resource,
        "transferId": str(token["authorization_id"]),
        "accountId": account,
        "identity": {"version": 2, "tenantId": tenant, "organizationId": tenant, "paymentAccountId": account},
    }
    return jwt.encode(claims, token_keys()[token["key_id"]], algorithm=ALGORITHM, headers={"kid": token["key_id"]})


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def read_token(token: Any) -> dict[str, Any]:
    """The claims of a token that was signed here; its times are not looked at. Raises BadToken."""
    if not isinstance(token, str) or len(token) > MAX_CHARACTERS:
        raise BadToken
    try:
        key = token_keys().get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise BadToken
        options: Any = {**UNCHECKED, "require": list(REQUIRED)}
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], issuer=settings.PAYMENT_ISSUER, options=options)
        claims["paymentId"], claims["tenantId"] = UUID(claims["sub"]), UUID(claims["identity"]["tenantId"])
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadToken from error
    return claims


def is_token_of(payment: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Whether claims that were signed here are those of the payment's own token."""
    digest = nonce_digest(str(claims["jti"]))
    return hmac.compare_digest(digest, bytes(payment["token"]["nonce_digest"])) and claims["aud"] == payment["token"]["pay_to"]
