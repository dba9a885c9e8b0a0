"""From facts to a cost: which price, which quantities, which arithmetic. Pure: what the book holds is passed in.

The tenant's own price book comes first, the most particular price before the more general; then the public model prices that come with
the installation, which need no network. Quantities are exact; the amount is rounded once, to 18 decimals.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import genai_prices
import msgspec

from kernel.ledger.money import LIMIT, PLACES, plain
from metering.choices import Pricing
from metering.selectors import Row

STEP = Decimal(1).scaleb(-PLACES)
# Where integrations say which model they used, and how much of it; the first that is there counts. Dots lead into objects.
MODEL_KEYS = ("model", "modelId", "model_id", "modelName", "response.model")
QUANTITY_KEYS = {
    "input_tokens": (
        "actualInputTokens",
        "inputTokens",
        "input_tokens",
        "promptTokens",
        "prompt_tokens",
        "usage.input_tokens",
        "usage.inputTokens",
        "usage.prompt_tokens",
        "usage.promptTokens",
    ),
    "output_tokens": (
        "actualOutputTokens",
        "outputTokens",
        "output_tokens",
        "completionTokens",
        "completion_tokens",
        "usage.output_tokens",
        "usage.outputTokens",
        "usage.completion_tokens",
        "usage.completionTokens",
    ),
    # Parts of the input that have a price of their own.
    "cache_read_tokens": ("cacheReadTokens", "cachedInputTokens", "usage.prompt_tokens_details.cached_tokens"),
    "cache_write_tokens": ("cacheWriteTokens",),
}
NEEDED = ("input_tokens", "output_tokens")
PUBLIC = f"genai-prices {version('genai-prices')}"


@dataclass(frozen=True, slots=True)
class Priced:
    """What came of pricing: an amount with its details (a JSON text), or why there is none."""

    pricing: Pricing
    note: str = ""
    amount: Decimal | None = None
    currency: str = "USD"
    details: str | None = None


class Wanting(Exception):
    """A quantity that the price needs isn't in the facts, or is no quantity. Its text is the key."""


def price_facts(*, things: Row, facts: str, book: Sequence[Row]) -> Priced:
    """The cost of what `facts` report. `things`: what of the transaction decides the price; `book`: the tenant's prices of its time."""
    reported = parsed(facts)
    model = model_of(things=things, reported=reported)
    try:
        price = best_price(things=things, model=model, book=book)
        if price is not None:
            return by_book(price, reported=reported, model=model)
        return by_public_prices(things=things, reported=reported, model=model)
    except Wanting as wanting:
        return Priced(pricing=Pricing.MISSING_QUANTITY, note=str(wanting)[:512])


def parsed(text: str | None) -> Any:
    """A customer's JSON with exact numbers."""
    return json.loads(text, parse_float=Decimal) if text else {}


def looked_up(values: Any, path: str) -> Any:
    """What stands under a dotted path, the whole path as a plain key first; None if nothing does."""
    if isinstance(values, Mapping) and path in values:
        return values[path]
    for step in path.split("."):
        if not isinstance(values, Mapping):
            return None
        values = values.get(step)
    return values


def model_of(*, things: Row, reported: Any) -> str:
    """The model that was used, as particularly as anybody said it; else the transaction's resource."""
    request = looked_up(parsed(things["request_facts"]), "request")
    said = [looked_up(values, key) for values in (reported, request, parsed(things["qualifiers"])) for key in MODEL_KEYS]
    return next((model for model in said if isinstance(model, str) and model), str(things["resource_name"]))


def best_price(*, things: Row, model: str, book: Sequence[Row]) -> Row | None:
    """The price that fits most particularly: by resource or model, then action, then service; of equals the latest."""
    wanted = (
        ("resource_name", {"", things["resource_name"], model}),
        ("action_name", {"", things["action_name"]}),
        ("service_name", {"", things["service__name"]}),
    )
    fitting = [price for price in book if all(price[name] in names for name, names in wanted)]
    return max(fitting, key=lambda price: (*(bool(price[name]) for name, _ in wanted), price["valid_from"]), default=None)


def by_book(price: Row, *, reported: Any, model: str) -> Priced:
    """The sum of the price's terms. Raises Wanting."""
    total, terms, quantities = Decimal(0), [], {}
    for unit in price["units"]:
        key = unit["fact_key"]
        quantity = quantity_of(reported, (key,), is_optional=unit["is_optional"])
        total += quantity * unit["amount"] / unit["per"]
        quantities[key] = plain(quantity)
        terms.append(f"{plain(quantity)} × {plain(unit['amount'])}" + (f" / {unit['per']}" if unit["per"] != 1 else ""))
    amount = rounded(total)
    details = {
        "price": {"source": "price book", "id": str(price["id"]), "validFrom": price["valid_from"].isoformat()},
        "model": model,
        "quantities": quantities,
        "arithmetic": f"{' + '.join(terms)} = {plain(amount)}",
    }
    return Priced(pricing=Pricing.PRICED, amount=amount, currency=price["currency"], details=msgspec.json.encode(details).decode())


def by_public_prices(*, things: Row, reported: Any, model: str) -> Priced:
    """The cost by the public price of a known model, at the time of the transaction. Raises Wanting."""
    usage = {name: quantity_of(reported, keys, is_optional=True) for name, keys in QUANTITY_KEYS.items()}
    found = _public_price(usage=usage, model=model, things=things)
    if found is None:
        return Priced(pricing=Pricing.UNKNOWN_MODEL, note=model[:512])
    for name in NEEDED:
        quantity_of(reported, QUANTITY_KEYS[name], is_optional=False)
    amount = rounded(found.total_price)
    details = {
        "price": {"source": PUBLIC, "provider": found.provider.id, "model": found.model.id, "unitPrices": str(found.model_price)},
        "model": model,
        "quantities": {name: plain(quantity) for name, quantity in usage.items() if quantity},
        "arithmetic": f"{plain(found.input_price)} input + {plain(found.output_price)} output = {plain(amount)}",
    }
    return Priced(pricing=Pricing.PRICED, amount=amount, details=msgspec.json.encode(details).decode())


def _public_price(*, usage: Mapping[str, Decimal], model: str, things: Row) -> Any:
    """The public price, of the transaction's service if that is a known provider; None for an unknown model. Raises Wanting."""
    if any(quantity != int(quantity) for quantity in usage.values()):
        raise Wanting("tokens are whole numbers")
    used = genai_prices.Usage(**{name: int(quantity) for name, quantity in usage.items() if quantity or name in NEEDED})
    for provider in ({"provider_id": things["service__name"].lower()}, {}):
        try:
            return genai_prices.calc_price(used, model_ref=model, genai_request_timestamp=things["occurred_at"], **provider)
        except LookupError:
            continue
        except ValueError as error:
            raise Wanting(str(error)) from error
    return None


def quantity_of(reported: Any, keys: Sequence[str], *, is_optional: bool) -> Decimal:
    """The first of the keys that the facts have; zero for an optional one that they don't. Raises Wanting."""
    for key in keys:
        quantity = looked_up(reported, key)
        if quantity is None:
            continue
        if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal) or not 0 <= quantity < LIMIT:
            raise Wanting(key)
        return Decimal(quantity)
    if not is_optional:
        raise Wanting(keys[0])
    return Decimal(0)


def rounded(amount: Decimal) -> Decimal:
    """To 18 decimals. Raises Wanting for a sum that no account can hold."""
    if amount >= LIMIT:
        raise Wanting("the amount is out of range")
    return amount.quantize(STEP)
