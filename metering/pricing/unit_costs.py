"""What a quantity costs by one term of a price. The SQL function metering_unit_cost computes the same for the integrity check."""

import json
from decimal import ROUND_CEILING, Decimal

from kernel.ledger.money import trimmed_digits
from metering.choices import TierMode
from metering.selectors import RowDict


def unit_cost(unit: RowDict, quantity: Decimal) -> tuple[Decimal, str]:
    """The cost of a quantity, and the arithmetic. By the unit, by begun packages, or by tiers.

    `1500` at 0.10 up to 1000 and 0.05 beyond: 1000 × 0.1 + 500 × 0.05 graduated, 1500 × 0.05 by volume.
    """
    if unit["tier_mode"] == "":
        return _plain_cost(unit, quantity, unit["amount"])
    tiers = parse_tiers(unit["tiers"])
    if unit["tier_mode"] == TierMode.VOLUME:
        return _plain_cost(unit, quantity, next(amount for bound, amount in tiers if bound is None or quantity <= bound))
    total, below = Decimal(0), Decimal(0)
    steps: list[str] = []
    for bound, amount in tiers:
        part = (quantity if bound is None else min(quantity, bound)) - below
        cost, step = _plain_cost(unit, part, amount)
        total, steps = total + cost, [*steps, step]
        if bound is None or quantity <= bound:
            break
        below = bound
    return total, " + ".join(steps)


def parse_tiers(text: str) -> list[tuple[Decimal | None, Decimal]]:
    """Tiers as their row has them: each with the quantity that it ends at (None: no end) and its amount."""
    return [(None if tier.get("upTo") is None else Decimal(tier["upTo"]), Decimal(tier["amount"])) for tier in json.loads(text)]


def _plain_cost(unit: RowDict, quantity: Decimal, amount: Decimal) -> tuple[Decimal, str]:
    per = unit["per"]
    if unit["is_package"]:
        packages = (quantity / per).to_integral_value(rounding=ROUND_CEILING)
        return packages * amount, f"{trimmed_digits(packages)} packages × {trimmed_digits(amount)}"
    return quantity * amount / per, f"{trimmed_digits(quantity)} × {trimmed_digits(amount)}" + (f" / {per}" if per != 1 else "")
