"""Authorizations of transfers on EVM chains (EIP-3009), signed with `eth-account`, which the extra `x402` installs.

Payments on this installation's own network have the tokens of tokens.py instead.

Chain, contract, name, version and decimals of a token come from the table here, never from a challenge: a wrong one signs something else. A
signed authorization can't be taken back before its end. The same facts and key make the same signature, so none is stored.
"""

import hashlib
import hmac
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose transfers are signed; one unit of it is one unit of `currency`."""

    chain_id: int
    contract: str
    symbol: str
    # As the contract's signing domain has them.
    name: str
    version: str
    decimals: int
    currency: str


# By the names of version 2 and of version 1.
CHAINS = {2: {"eip155:8453": 8453, "eip155:84532": 84532}, 1: {"base": 8453, "base-sepolia": 84532}}
TOKENS = (
    Token(8453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USDC", "USD Coin", "2", 6, "USD"),
    Token(84532, "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "USDC", "USDC", "2", 6, "USD"),
)
TRANSFER = {
    "TransferWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ]
}
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}\Z")
# How long before the present an authorization of version 1 begins.
EARLIER_SECONDS = 600


class CantSign(Exception):
    """What is missing to sign for a tenant, as a sentence."""


def find_token(version: int, network: str, asset: str) -> Token | None:
    """The token that an option names, by its contract or its symbol."""
    chain = CHAINS[version].get(network)
    return next((one for one in TOKENS if one.chain_id == chain and asset.lower() in {one.contract.lower(), one.symbol.lower()}), None)


def missing_for(tenant_id: UUID) -> str | None:
    """What is missing to sign for a tenant, as a sentence; None: nothing."""
    if find_spec("eth_account") is None:
        return "the package eth-account is not installed, which the extra x402 installs"
    try:
        _key_of(tenant_id)
    except CantSign as missing:
        return str(missing)
    return None


def _key_of(tenant_id: UUID) -> str:
    """The tenant's private key. Raises CantSign."""
    stated = dict(text.split(":", 1) for text in settings.X402_EVM_KEYS if ":" in text)
    value = stated.get(str(tenant_id))
    if value is None:
        raise CantSign("X402_EVM_KEYS has no key for this tenant")
    key = value if KEY.match(value) else _read_key(value)
    if not KEY.match(key):
        raise CantSign("the key of this tenant in X402_EVM_KEYS is no private key of 32 bytes in hexadecimal")
    return key


@lru_cache(maxsize=64)
def _read_key(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise CantSign("the file of this tenant's key in X402_EVM_KEYS can't be read") from error


def nonce_of(secret: bytes, authorization_id: UUID) -> str:
    """The nonce of a round's authorization: 32 bytes that nobody can foresee, the same each time."""
    return "0x" + hmac.new(secret, f"countinghouse/x402-evm/v1|{authorization_id}".encode(), hashlib.sha256).hexdigest()


@cache
def _signing_functions() -> tuple[Callable[[str], Any], Callable[..., Any]]:
    """Makes an account of a key, and a message of typed data. Loading them takes seconds, so only who signs does.

    One of eth-account's own packages, py_ecc, lets Python recurse 100,000 deep when it is loaded, in the whole process: deeply nested JSON
    would then end the process instead of raising RecursionError. So it is loaded first, and the limit is set back.
    """
    limit = sys.getrecursionlimit()
    if find_spec("py_ecc") is not None:
        import_module("py_ecc")
        sys.setrecursionlimit(limit)
    account, messages = import_module("eth_account"), import_module("eth_account.messages")
    sys.setrecursionlimit(limit)
    return account.Account.from_key, messages.encode_typed_data


def sign_transfer(
    *, tenant_id: UUID, version: int, token: Mapping[str, Any], pay_to: str, value: str, begins: int, ends: int, nonce: str
) -> dict[str, Any]:
    """The inner payload of a payment: a signed authorization to transfer `value` (of the token's smallest units) to `pay_to` between two
    moments (seconds since 1970; version 2 has no beginning). Takes some 10 ms, and seconds at the first time. Raises CantSign.
    """
    if (missing := missing_for(tenant_id)) is not None:
        raise CantSign(missing)
    account_of, encode_typed_data = _signing_functions()
    account = account_of(_key_of(tenant_id))
    stated = {
        "from": account.address,
        "to": pay_to,
        "value": value,
        "validAfter": str(begins - EARLIER_SECONDS) if version == 1 else "0",
        "validBefore": str(ends),
        "nonce": nonce,
    }
    numbers = {name: int(stated[name]) for name in ("value", "validAfter", "validBefore")}
    domain = {"name": token["name"], "version": token["version"], "chainId": token["chainId"], "verifyingContract": token["contract"]}
    message = encode_typed_data(domain, TRANSFER, stated | numbers | {"nonce": bytes.fromhex(nonce[2:])})
    return {"authorization": stated, "signature": "0x" + account.sign_message(message).signature.hex().removeprefix("0x")}
