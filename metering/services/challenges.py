"""Payment challenges of the x402 protocol: which of their options can be paid, and what a payment of it is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from kernel.ledger.errors import LedgerError
from metering.paying.payers import MAX_PRESENTATION_LENGTH, NotPayable, Option, Quote, missing_for, quote_option
from metering.paying.selectors import list_refusals

NAMES = {"scheme": "scheme", "network": "network", "asset": "asset", "pay_to": "payTo"}
# The characters of an address that stay as they are, beside letters and digits; others (blanks, control characters) are percent-encoded.
URL_CHARACTERS = "!#$%&'()*+,-./:;=?@[]_~"
MAX_NAME_LENGTH = 255


class NoPayableOption(LedgerError):
    """No option of the challenge can be paid. Facts: reasons (one for each option, in their order)."""

    code = "no_payable_option"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The first option that can be paid, and the parts of its challenge that are sent back with the payment."""

    option: Option
    # The name of what pays.
    payer: str
    quote: Quote
    presentation_seconds: int
    # The resource's address.
    resource: str | None
    # JSON texts.
    resource_info: str | None
    extensions: str | None


def choose_option(text: str, *, tenant_id: UUID) -> Chosen:
    """The first option that this tenant's payers can and may pay. `text`: the challenge, with x402Version and accepts. Raises
    NoPayableOption.
    """
    options = list_options(text)
    payable = [option for option in options if isinstance(option, Chosen)]
    refusals = dict(zip(map(id, payable), list_refusals(tenant_id=tenant_id, payments=[_facts(one) for one in payable]), strict=True))
    for option in payable:
        if refusals[id(option)] is None and (missing := missing_for(option.payer, tenant_id=tenant_id)) is not None:
            refusals[id(option)] = f"needs the payer {option.payer}, which can't pay here: {missing}"
        if refusals[id(option)] is None:
            return option
    raise NoPayableOption(reasons=[refusals[id(one)] if isinstance(one, Chosen) else one for one in options])


def _facts(chosen: Chosen) -> tuple[str, str, str, str, str]:
    option, quoted = chosen.option, chosen.quote
    return chosen.payer, option.network, option.pay_to, f"{quoted.amount:f}", quoted.currency


def list_options(text: str) -> list[Chosen | str]:
    """The options of a challenge, in their order; for one that no payer can pay, why not."""
    text = str(text)
    challenge = json.loads(text)
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    raw: Sequence[bytes] = [bytes(option) for option in msgspec.json.decode(members["accepts"], type=list[msgspec.Raw])]
    extensions = bytes(members["extensions"]).decode() if challenge.get("extensions") else None
    options: list[Chosen | str] = []
    for index, entry in enumerate(challenge["accepts"]):
        try:
            options.append(_chosen(index, entry, raw[index].decode(), challenge, extensions))
        except NotPayable as why:
            options.append(str(why))
    return options


def _chosen(index: int, entry: Any, text: str, challenge: Mapping[str, Any], extensions: str | None) -> Chosen:
    if not isinstance(entry, Mapping):
        raise NotPayable("is not an object")
    is_first = challenge["x402Version"] == 1
    values = {name: _text(entry, wire_name) for name, wire_name in NAMES.items()}
    digits = _text(entry, "maxAmountRequired" if is_first else "amount")
    extra = entry.get("extra") or {}
    if not isinstance(extra, Mapping):
        raise NotPayable("has an extra that is no object")
    timeout = entry.get("maxTimeoutSeconds")
    if timeout is not None and (type(timeout) is not int or timeout <= 0):
        raise NotPayable("has a maxTimeoutSeconds that is no whole number above 0")
    option = Option(version=1 if is_first else 2, index=index, digits=digits, accepted=text, extra=extra, timeout=timeout, **values)
    payer, quoted = quote_option(option)
    # What is sent back must arrive as it was sent: clients write it into a header, which takes ASCII only.
    for name, echoed in () if is_first else (("option", entry), ("extensions", challenge.get("extensions"))):
        if not _is_ascii(echoed):
            raise NotPayable("is not ASCII" if name == "option" else "comes with extensions that are not ASCII")
    holder = entry.get("resource") if is_first else challenge.get("resource")
    info = holder if isinstance(holder, Mapping) else {"url": holder}
    address = _address(info.get("url"))
    return Chosen(
        option=option,
        payer=payer,
        quote=quoted,
        presentation_seconds=quoted.presentation_seconds or min(timeout or MAX_PRESENTATION_LENGTH, MAX_PRESENTATION_LENGTH),
        resource=address,
        resource_info=None if address is None else _compact({"url": address, **_ascii_members(info)}),
        extensions=extensions,
    )


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise NotPayable(f"has no {name}")
    if not value.isascii():
        raise NotPayable(f"has a {name} that is not ASCII")
    if len(value) > MAX_NAME_LENGTH:
        raise NotPayable(f"has a {name} of more than {MAX_NAME_LENGTH} characters")
    return value


def _is_ascii(value: Any) -> bool:
    return json.dumps(value, ensure_ascii=False).isascii()


def _address(url: Any) -> str | None:
    return quote(url, safe=URL_CHARACTERS) if isinstance(url, str) and url else None


def _ascii_members(info: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name in ("description", "mimeType") if isinstance(value := info.get(name), str) and value.isascii()}


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def payment_of(chosen: Chosen, *, key_id: str, nonce_digest: bytes) -> str:
    """What a round of authorization keeps of the payment that it asks for, as JSON.

    The first members are what the rules' conditions on a payment compare; the SQL function paying_hold_challenge reads the others.
    """
    option = chosen.option
    payment = {
        "amount": f"{chosen.quote.amount:f}",
        "payer": chosen.payer,
        "network": option.network,
        "asset": option.asset,
        "scheme": option.scheme,
        "payTo": option.pay_to,
        "resource": chosen.resource,
        "presentationSeconds": chosen.presentation_seconds,
        "holdSeconds": chosen.quote.hold_seconds,
        "keyId": key_id,
        "nonceDigest": nonce_digest.hex(),
        "challenge": {
            "version": option.version,
            "index": option.index,
            "resource": chosen.resource,
            "accepted": option.accepted,
            "resourceInfo": chosen.resource_info,
            "extensions": chosen.extensions,
            **({} if chosen.quote.token is None else {"token": chosen.quote.token}),
        },
    }
    return _compact(payment)
