"""Reads the cost that a provider's or proxy's reply states itself."""

from decimal import Decimal
from itertools import product
from typing import Any

from kernel.ledger.money import AMOUNT_LIMIT
from metering.usage_reading.counter_extraction import look_up
from metering.usage_reading.counter_names import BODIES

# Where a reply states what the call cost, in dollars; under each of BODIES. Perplexity's `usage.cost` is an object.
REPORTED_COSTS = (
    *("usage.cost.total_cost", "usage.cost", "usage.total_cost", "response_cost", "hidden_params.response_cost"),
    *("_hidden_params.response_cost", "total_cost", "total_cost_usd", "cost", "usage.cost_in_usd_ticks"),
)
# xAI states its costs in these.
TICKS_PER_DOLLAR = 10**10


def reported_cost(facts: Any) -> tuple[str, Decimal] | None:
    """The path and the amount in dollars of the cost that the reply itself states; None where it states none.

    Not taken: one of OpenRouter's for a caller who brings a key of his own (`is_byok`), because it is the fee alone.
    """
    for body_path, cost_path in product(BODIES, REPORTED_COSTS):
        path = f"{body_path}.{cost_path}" if body_path else cost_path
        amount = look_up(facts, path)
        if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or not 0 <= amount < AMOUNT_LIMIT:
            continue
        if look_up(facts, f"{path.rpartition('.')[0]}.is_byok") is True:
            continue
        return path, Decimal(amount) / TICKS_PER_DOLLAR if path.endswith("_ticks") else Decimal(amount)
    return None
