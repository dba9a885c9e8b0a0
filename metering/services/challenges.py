"""Payment challenges of the x402 protocol: which of their options could be paid, and how much that is in a currency of the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kernel.ledger.errors import LedgerError
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency, is_plain_decimal

SCHEMES = ("exact", "upto")
# Networks whose amounts are decimals in a currency of ISO 4217.
LEDGER_NETWORKS = ("countinghouse:", "sapiom:")
EXACT = "exact"
# Tokens at par with a currency, by network: symbol and contract, with the token's decimals. Names of version 1 beside those of version 2.
BASE, BASE_SEPOLIA = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913", "0x036cbd53842c5426634e7929541ec2318f3dcf7e"
USDC = ("USD", 6)
TOKENS: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "eip155:8453": {"usdc": USDC, BASE: USDC},
    "base": {"usdc": USDC, BASE: USDC},
    "eip155:84532": {"usdc": USDC, BASE_SEPOLIA: USDC},
    "base-sepolia": {"usdc": USDC, BASE_SEPOLIA: USDC},
}


class NoPayableOption(LedgerError):
    """No option of the challenge can be paid. Facts: reasons (one for each option, in their order)."""

    code = "no_payable_option"


@dataclass(frozen=True, slots=True)
class Option:
    """The first option that can be paid: its place in the challenge, and its amount in a currency."""

    index: int
    amount: Decimal
    currency: str
    scheme: str
    network: str
    asset: str
    pay_to: str
    resource: str | None


class _NotPayable(Exception):
    """Why an option can't be paid."""


def choose_option(challenge: Mapping[str, Any]) -> Option:
    """The first option that can be paid. `challenge`: x402Version, accepts, perhaps resource. Raises NoPayableOption."""
    reasons = []
    options: Sequence[Any] = challenge["accepts"]
    for index, entry in enumerate(options):
        try:
            return _option(index, entry, challenge)
        except _NotPayable as why:
            reasons.append(str(why))
    raise NoPayableOption(reasons=reasons)


def _option(index: int, entry: Any, challenge: Mapping[str, Any]) -> Option:
    if not isinstance(entry, Mapping):
        raise _NotPayable("is not an object")
    names = {"scheme": "scheme", "network": "network", "asset": "asset", "pay_to": "payTo"}
    values = {name: _text(entry, wire_name) for name, wire_name in names.items()}
    is_first_version = challenge["x402Version"] == 1
    amount, currency = _amount(_text(entry, "maxAmountRequired" if is_first_version else "amount"), **values)
    holder = entry.get("resource") if is_first_version else challenge.get("resource")
    resource = holder.get("url") if isinstance(holder, Mapping) else holder
    return Option(index=index, amount=amount, currency=currency, resource=resource if isinstance(resource, str) else None, **values)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise _NotPayable(f"has no {name}")
    if not value.isascii():
        raise _NotPayable(f"has a {name} that is not ASCII")
    return value


def _amount(digits: str, *, scheme: str, network: str, asset: str, pay_to: str) -> tuple[Decimal, str]:
    if scheme not in SCHEMES:
        raise _NotPayable(f"has the unknown scheme {scheme}")
    if not is_plain_decimal(digits) or len(digits) > 2 * PLACES + 2 or Decimal(digits) <= 0:
        raise _NotPayable("has an amount that is no decimal above 0")
    if network.startswith(LEDGER_NETWORKS):
        if not is_currency(asset):
            raise _NotPayable(f"has the unknown asset {asset}")
        amount, currency = Decimal(digits), asset
    else:
        if network not in TOKENS:
            raise _NotPayable(f"has the unknown network {network}")
        if scheme != EXACT:
            raise _NotPayable(f"has the scheme {scheme}, which {network} doesn't know")
        if asset.lower() not in TOKENS[network]:
            raise _NotPayable(f"has the unknown asset {asset}")
        currency, places = TOKENS[network][asset.lower()]
        if "." in digits:
            raise _NotPayable("has an amount that is no whole number of token units")
        amount = Decimal(digits).scaleb(-places)
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        raise _NotPayable(f"has an amount of more than {PLACES} decimals")
    if amount >= AMOUNT_LIMIT:
        raise _NotPayable("has an amount that is too large")
    return amount, currency
