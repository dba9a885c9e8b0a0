"""Which of a tenant's own prices applies to a transaction: those valid at its time, the most specific first.

`metering/selectors/prices.py` reads the prices; `price_facts.py` works out the cost by the first that fits.
"""

from collections.abc import Sequence
from datetime import datetime

from metering.selectors import PriceTerms, RowDict


def valid_prices(book: Sequence[RowDict], *, at: datetime) -> list[RowDict]:
    """The prices that are valid at a moment."""
    return [price for price in book if price["valid_from"] <= at and (price["valid_to"] is None or price["valid_to"] > at)]


def fitting_prices(*, terms: PriceTerms, model: str, book: Sequence[RowDict]) -> list[RowDict]:
    """The prices that fit, the most specific first: by resource or model before by action, before by service; of equals the latest."""
    if not book:
        return []
    wanted = (
        ("resource_name", {"", terms["resource_name"], model}),
        ("action_name", {"", terms["action_name"]}),
        ("service_name", {"", terms["service__name"]}),
    )
    fitting = [price for price in book if all(price[name] in names for name, names in wanted)]
    return sorted(fitting, key=lambda price: (*(bool(price[name]) for name, _ in wanted), price["valid_from"]), reverse=True)
