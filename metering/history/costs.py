"""The costs of a row: a JSON array in one column, or a single cost in columns of its own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from kernel.ledger.backfill.columns import Invalid, currency, identifier, json_from_json, money_from_json, positive_or_zero
from kernel.ledger.backfill.rows import RowRefused

NULL = msgspec.Raw(b"null")
FLAT = ("fiat_amount", "fiat_asset_symbol", "is_estimate", "cost_details")
_read_amount = money_from_json(positive_or_zero)


class Given(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One cost as the APIs write it."""

    fiat_amount: msgspec.Raw
    fiat_asset_symbol: str
    is_estimate: bool
    cost_details: msgspec.Raw = NULL
    id: str | None = None
    supersedes: str | None = None


_decoder = msgspec.json.Decoder(list[Given])


def costs_from_json(raw: bytes) -> list[dict[str, Any]] | None:
    """Raises Invalid, which names the cost by its place."""
    if raw == b"null":
        return None
    if raw[:1] == b'"':
        return costs_from_text(msgspec.json.decode(raw))
    try:
        given = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"is no list of costs: {error}") from None
    return [_read(place, cost) for place, cost in enumerate(given)]


def costs_from_text(written: str) -> list[dict[str, Any]] | None:
    return costs_from_json(written.encode("utf-8", "surrogateescape"))


def _read(place: int, cost: Given) -> dict[str, Any]:
    try:
        amount = _read_amount(bytes(cost.fiat_amount))
        if amount is None:
            raise Invalid("fiatAmount is required")
        return {
            "fiat_amount": amount,
            "fiat_asset_symbol": currency(cost.fiat_asset_symbol),
            "is_estimate": cost.is_estimate,
            "cost_details": json_from_json(bytes(cost.cost_details)),
            "id": None if cost.id is None else identifier(cost.id),
            "supersedes": None if cost.supersedes is None else identifier(cost.supersedes),
        }
    except Invalid as invalid:
        raise Invalid(f"cost {place + 1}: {invalid}") from None


def costs_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The costs of a row in whichever of the two forms. Raises RowRefused."""
    if "fiat_amount" not in values:
        if "cost_details" in values:
            raise RowRefused("fiat_amount", "is required where cost_details are given")
        return values.get("costs") or []
    if "costs" in values:
        raise RowRefused("fiat_amount", "and costs: give one of the two")
    return [{name: values.get(name) for name in FLAT}]


def active_sums(costs: list[dict[str, Any]]) -> dict[str, Decimal]:
    """What the costs add up to, by currency; what a later one supersedes doesn't count."""
    gone = {cost.get("supersedes") for cost in costs}
    sums: dict[str, Decimal] = {}
    for cost in costs:
        if cost.get("id") is None or cost["id"] not in gone:
            sums[cost["fiat_asset_symbol"]] = sums.get(cost["fiat_asset_symbol"], Decimal(0)) + cost["fiat_amount"]
    return sums
