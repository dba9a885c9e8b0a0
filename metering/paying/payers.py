"""What pays the options of a payment challenge: each payer knows some networks. Further payers are named in the setting PAYERS."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency, is_plain_decimal
from metering.paying import evm
from metering.paying.choices import LEDGER

SCHEMES = ("exact", "upto")
# Nobody is asked to wait longer for a payment to be presented, whatever the challenge says.
MAX_PRESENTATION_LENGTH = 300
# For how long money is held for a payment that is presented, unless the challenge's `extra.holdSeconds` says otherwise.
USUAL_HOLD = 900


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a challenge. `accepted` is the text of its JSON object, as the challenge has it."""

    version: int
    index: int
    scheme: str
    network: str
    asset: str
    # As the challenge writes it.
    digits: str
    pay_to: str
    accepted: str
    extra: Mapping[str, Any]
    # What the resource says of how long a payment takes (seconds).
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """How much an option is in a currency of the ledger, and for how long its money is held at most (seconds). `presentation_seconds`:
    how long it may be presented, if not as usual. `token`: what the payer's own token is made of.
    """

    amount: Decimal
    currency: str
    hold_seconds: int
    presentation_seconds: int | None = None
    token: Mapping[str, Any] | None = None


class NotPayable(Exception):
    """Why an option can't be paid, as the end of a sentence that begins with the option."""


class Payer(Protocol):
    """Pays options on its networks. It decides by the option alone: no database, no network."""

    name: str

    def knows(self, network: str) -> bool:
        """Whether options on this network are its own."""
        ...

    def quote(self, option: Option) -> Quote:
        """What paying the option takes. Raises NotPayable."""
        ...

    def missing_for(self, tenant_id: UUID) -> str | None:
        """What this installation lacks to pay for the tenant, as a sentence; None: nothing."""
        ...


class LedgerPayer:
    """Pays on this installation's own network, from the ledgers: credits first, the wallet next. Amounts are decimals in a currency."""

    name = LEDGER

    def knows(self, network: str) -> bool:
        return network in own_networks()

    def quote(self, option: Option) -> Quote:
        if not is_currency(option.asset):
            raise NotPayable(f"has the unknown asset {option.asset}")
        hold = option.extra.get("holdSeconds", USUAL_HOLD)
        if type(hold) is not int or hold <= 0:
            raise NotPayable("has an extra.holdSeconds that is no whole number above 0")
        return Quote(amount=decimal_of(option.digits), currency=option.asset, hold_seconds=max(hold, MAX_PRESENTATION_LENGTH))

    def missing_for(self, tenant_id: UUID) -> str | None:
        return None


class EvmPayer:
    """Pays in tokens on EVM chains, with a key of the tenant's, by authorizations that the resource collects (x402 scheme exact, EIP-3009).
    What may be collected is held on the wallet: customers' credits are other money.
    """

    name = "x402-evm"
    # The longest time for which something is signed, and how long after it a transfer may still become known.
    longest_seconds = 3600
    grace_seconds = 300

    def knows(self, network: str) -> bool:
        return any(network in chains for chains in evm.CHAINS.values())

    def quote(self, option: Option) -> Quote:
        token = evm.find_token(option.version, option.network, option.asset)
        if token is None:
            raise NotPayable(f"has the unknown asset {option.asset}")
        if option.scheme != "exact":
            raise NotPayable(f"has the scheme {option.scheme}, and this network has exact")
        if not option.digits.isdigit():
            raise NotPayable("has an amount that is no whole number of the token's units")
        if option.extra.get("assetTransferMethod", "eip3009") != "eip3009":
            raise NotPayable("has an extra.assetTransferMethod other than eip3009")
        if not evm.ADDRESS.match(option.pay_to):
            raise NotPayable("has a payTo that is no address")
        seconds = option.timeout or MAX_PRESENTATION_LENGTH
        if seconds > self.longest_seconds:
            raise NotPayable(f"has a maxTimeoutSeconds above {self.longest_seconds}: what is signed can't be taken back")
        facts = {"chainId": token.chain_id, "contract": token.contract, "name": token.name, "version": token.version}
        return Quote(
            amount=decimal_of(option.digits).scaleb(-token.decimals),
            currency=token.currency,
            hold_seconds=seconds + self.grace_seconds,
            presentation_seconds=seconds,
            token=facts | {"decimals": token.decimals, "value": option.digits},
        )

    def missing_for(self, tenant_id: UUID) -> str | None:
        return evm.missing_for(tenant_id)


def own_networks() -> tuple[str, ...]:
    """This installation's network, and the names of others that it takes for its own."""
    return (settings.PAYMENT_NETWORK, *settings.PAYMENT_NETWORK_ALIASES)


def decimal_of(digits: str) -> Decimal:
    """An amount above zero that the ledger can hold to the last digit. Raises NotPayable."""
    if not is_plain_decimal(digits) or len(digits) > 2 * PLACES + 2 or Decimal(digits) <= 0:
        raise NotPayable("has an amount that is no decimal above 0")
    amount = Decimal(digits)
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > PLACES:
        raise NotPayable(f"has an amount of more than {PLACES} decimals")
    if amount >= AMOUNT_LIMIT:
        raise NotPayable("has an amount that is too large")
    return amount


@cache
def _payers(names: tuple[str, ...]) -> tuple[Payer, ...]:
    return tuple(import_string(name)() for name in names)


def payer_names() -> tuple[str, ...]:
    """The names of the installation's payers."""
    return tuple(payer.name for payer in _payers(tuple(settings.PAYERS)))


def missing_for(name: str, *, tenant_id: UUID) -> str | None:
    """What this installation lacks for the payer of this name to pay for the tenant, as a sentence; None: nothing."""
    [payer] = (one for one in _payers(tuple(settings.PAYERS)) if one.name == name)
    return payer.missing_for(tenant_id)


def quote_option(option: Option) -> tuple[str, Quote]:
    """The first payer that knows the option's network, by its name, and what it asks. Raises NotPayable."""
    if option.scheme not in SCHEMES:
        raise NotPayable(f"has the unknown scheme {option.scheme}")
    decimal_of(option.digits)
    for payer in _payers(tuple(settings.PAYERS)):
        if payer.knows(option.network):
            return payer.name, payer.quote(option)
    raise NotPayable(f"has the unknown network {option.network}")
