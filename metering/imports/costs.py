"""The costs of a row: a JSON array in one column, or a single cost in columns of its own."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Invalid, currency, identifier, json_from_json, money_from_json, positive_or_zero
from metering.imports.parts import NULL, STAMPS, Part, array_readers, optional_values

FLAT = ("fiat_amount", "fiat_asset_symbol", "is_estimate", "cost_details")
MAYBE = {**STAMPS, "supersedes": identifier, "superseded_by": identifier, "inferred_from": identifier, "repricing": identifier}
_read_amount = money_from_json(positive_or_zero)


class CostPart(Part, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """One cost as the APIs write it. An export adds what it supersedes and what it was inferred from."""

    fiat_amount: msgspec.Raw
    fiat_asset_symbol: str
    is_estimate: bool
    cost_details: msgspec.Raw = NULL
    supersedes: str | None = None
    superseded_by: str | None = None
    inferred_from: str | None = None
    repricing: str | None = None


def _read(cost: CostPart) -> dict[str, Any]:
    amount = _read_amount(bytes(cost.fiat_amount))
    if amount is None:
        raise Invalid("fiatAmount is required")
    return {
        **optional_values(cost, MAYBE),
        "fiat_amount": amount,
        "fiat_asset_symbol": currency(cost.fiat_asset_symbol),
        "is_estimate": cost.is_estimate,
        "cost_details": json_from_json(bytes(cost.cost_details)),
    }


costs_from_json, costs_from_text = array_readers(CostPart, _read, noun="cost")


def costs_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The costs of a row, which has either form. Raises RowRefused."""
    if "fiat_amount" not in values:
        if "cost_details" in values:
            raise RowRefused("fiat_amount", "is required where cost_details are given")
        return values.get("costs") or []
    if "costs" in values:
        raise RowRefused("fiat_amount", "and costs: give one of the two")
    return [{name: values.get(name) for name in FLAT}]


def active_sums(costs: list[dict[str, Any]]) -> dict[str, Decimal]:
    """The sum of the active costs by currency. A superseded cost doesn't count."""
    superseded = {cost.get("supersedes") for cost in costs}
    sums: dict[str, Decimal] = {}
    for cost in costs:
        if cost.get("superseded_by") is None and (cost.get("id") is None or cost["id"] not in superseded):
            sums[cost["fiat_asset_symbol"]] = sums.get(cost["fiat_asset_symbol"], Decimal(0)) + cost["fiat_amount"]
    return sums
